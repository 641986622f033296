//! Set dnf variables and options of dnf.conf.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Context, IndexMap, Result, Tree, ini};
use osbuild_stage_common::fields::text;
use osbuild_stage_common::ini_preserve::{self, IniText};
use serde::Deserialize;
use serde_json::Value;
use std::process::ExitCode;

const FILE: &str = "etc/dnf/dnf.conf";

type Config = IndexMap<String, IndexMap<String, Value>>;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Options {
    variables: Vec<Variable>,
    config: Config,
}

#[derive(Deserialize)]
struct Variable {
    name: String,
    value: String,
}

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(&[], |arguments: Arguments<Options>| {
        let (tree, options) = (&arguments.tree, &arguments.options);
        for Variable { name, value } in &options.variables {
            text("variables.value", value)?;
            tree.write(&format!("etc/dnf/vars/{name}"), format!("{value}\n"))?;
        }
        if options.config.is_empty() {
            return Ok(());
        }
        configure(tree, &options.config)
    })
}

fn configure(tree: &Tree, config: &Config) -> Result<()> {
    let before = ini_preserve::read(tree, FILE)?;
    tree.create_dir_all("etc/dnf")?;
    let after = edited(&before, config).context(FILE)?;
    tree.write(FILE, after)?;
    tree.set_mode(FILE, 0o644)
}

fn edited(text: &str, config: &Config) -> Result<String> {
    let mut file = IniText::parse(text)?;
    for (section, options) in config {
        file.add_section(section);
        for (name, value) in options {
            file.set(section, name, &text_of(value)?)?;
        }
    }
    Ok(file.render())
}

/// Elements of a list are joined.
fn text_of(value: &Value) -> Result<String> {
    match value {
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(ini::scalar).collect::<Result<_>>()?;
            Ok(items.join(", "))
        }
        value => ini::scalar(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_joined_and_other_settings_stay() {
        let config =
            serde_json::from_str(r#"{"main": {"tsflags": ["nodocs", "noscripts"]}}"#).unwrap();
        assert_eq!(
            edited("# c\n[main]\ngpgcheck=1\n", &config).unwrap(),
            "# c\n[main]\ngpgcheck=1\ntsflags = nodocs, noscripts\n"
        );
    }
}
