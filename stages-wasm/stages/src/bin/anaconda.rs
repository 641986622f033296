//! Write a drop-in for the installer Anaconda.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Error, IndexMap, Result, bail};
use osbuild_stage_common::fields::word;
use serde_json::Value;
use std::process::ExitCode;

const DIRECTORY: &str = "etc/anaconda/conf.d";

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(
        &[],
        |arguments: Arguments<IndexMap<String, Value>>| -> Result<()> {
            let lists: Vec<String> = arguments
                .options
                .iter()
                .map(|(name, value)| list(name, value))
                .collect::<Result<_>>()?;
            arguments.tree.create_dir_all(DIRECTORY)?;
            arguments.tree.write(
                &format!("{DIRECTORY}/90-osbuild.conf"),
                format!("[Anaconda]\n{}", lists.concat()),
            )
        },
    )
}

/// `name=` and an indented line per element.
fn list(name: &str, value: &Value) -> Result<String> {
    let invalid = || Error::new(format!("options.{name}: expected a list of texts"));
    let mut text = format!("{}=\n", name.replace('-', "_"));
    for item in value.as_array().ok_or_else(invalid)? {
        let item = item.as_str().ok_or_else(invalid)?;
        word(name, item)?;
        if item.starts_with(';') {
            bail!("options.{name}: {item:?} would begin a comment");
        }
        text += &format!("    {item}\n");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_list_has_a_line_per_element() {
        let value = json!(["org.a", "org.b"]);
        assert_eq!(
            list("kickstart-modules", &value).unwrap(),
            "kickstart_modules=\n    org.a\n    org.b\n"
        );
        assert!(list("x", &json!("y")).is_err());
    }
}
