//! Set options in dnf's automatic.conf.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Context, IndexMap, Result, ini};
use osbuild_stage_common::ini_preserve::{self, IniText};
use serde::Deserialize;
use serde_json::Value;
use std::process::ExitCode;

const FILE: &str = "etc/dnf/automatic.conf";

type Config = IndexMap<String, IndexMap<String, Value>>;

#[derive(Deserialize)]
struct Options {
    config: Option<Config>,
}

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(&[], |arguments: Arguments<Options>| {
        let (tree, options) = (&arguments.tree, &arguments.options);
        let Some(config) = &options.config else {
            return Ok(());
        };
        let before = ini_preserve::read(tree, FILE)?;
        tree.write(FILE, edited(&before, config).context(FILE)?)
    })
}

fn edited(text: &str, config: &Config) -> Result<String> {
    let mut file = IniText::parse(text)?;
    for (section, options) in config {
        file.add_section(section);
        for (name, value) in options {
            let value = match value {
                Value::Bool(true) => "yes".into(),
                Value::Bool(false) => "no".into(),
                value => ini::scalar(value)?,
            };
            file.set(section, name, &value)?;
        }
    }
    Ok(file.render())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn booleans_are_yes_and_no() {
        let config = serde_json::from_str(
            r#"{"commands": {"apply_updates": true, "upgrade_type": "security"}}"#,
        )
        .unwrap();
        assert_eq!(
            edited("[commands]\napply_updates = no\n", &config).unwrap(),
            "[commands]\napply_updates = yes\nupgrade_type = security\n"
        );
    }
}
