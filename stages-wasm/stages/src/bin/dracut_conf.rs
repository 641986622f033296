//! Write a drop-in for dracut.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Context, IndexMap, Result, bail};
use osbuild_stage_common::fields::word;
use osbuild_stage_common::quoting::shell_quoted;
use serde::Deserialize;
use serde_json::Value;
use std::process::ExitCode;

const DIRECTORY: &str = "usr/lib/dracut/dracut.conf.d";
const LISTS: [&str; 10] = [
    "dracutmodules",
    "add_dracutmodules",
    "omit_dracutmodules",
    "drivers",
    "add_drivers",
    "omit_drivers",
    "force_drivers",
    "filesystems",
    "install_items",
    "remove_items",
];

#[derive(Deserialize)]
struct Options {
    filename: String,
    config: IndexMap<String, Value>,
}

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(&[], |arguments: Arguments<Options>| -> Result<()> {
        let options = &arguments.options;
        let lines: Vec<String> = options
            .config
            .iter()
            .map(|(name, value)| line(name, value))
            .collect::<Result<_>>()?;
        arguments.tree.create_dir_all(DIRECTORY)?;
        arguments
            .tree
            .write(&format!("{DIRECTORY}/{}", options.filename), lines.concat())
    })
}

fn line(name: &str, value: &Value) -> Result<String> {
    let value = value.clone();
    let context = || format!("options.config.{name}");
    Ok(match name {
        "compress" => {
            let text: String = serde_json::from_value(value).with_context(context)?;
            let text = shell_quoted("config.compress", &text)?;
            format!("{name}=\"{text}\"\n")
        }
        "early_microcode" | "reproducible" => {
            let on: bool = serde_json::from_value(value).with_context(context)?;
            format!("{name}=\"{}\"\n", if on { "yes" } else { "no" })
        }
        name if LISTS.contains(&name) => {
            let items: Vec<String> = serde_json::from_value(value).with_context(context)?;
            let option = format!("config.{name}");
            // dracut takes the list apart at blanks.
            items.iter().try_for_each(|item| word(&option, item))?;
            let items = items.iter().map(|item| shell_quoted(&option, item));
            let items: Vec<_> = items.collect::<Result<_>>()?;
            format!("{name}+=\" {} \"\n", items.join(" "))
        }
        other => bail!("unsupported configuration option '{other}'"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_option_has_its_syntax() {
        for (name, value, expected) in [
            ("compress", json!("zstd"), "compress=\"zstd\"\n"),
            ("drivers", json!(["a", "b"]), "drivers+=\" a b \"\n"),
            ("remove_items", json!([]), "remove_items+=\"  \"\n"),
            ("reproducible", json!(false), "reproducible=\"no\"\n"),
        ] {
            assert_eq!(line(name, &value).unwrap(), expected);
        }
        // dracut sources the file.
        for bad in ["$(touch /x)", "`touch /x`", "\n"] {
            assert!(line("compress", &json!(bad)).is_err(), "{bad}");
            assert!(line("install_items", &json!(["a", bad])).is_err(), "{bad}");
        }
        assert!(line("nope", &json!("x")).is_err() && line("drivers", &json!("x")).is_err());
    }
}
