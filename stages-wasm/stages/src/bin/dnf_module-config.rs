//! Write a dnf module state file.
#![forbid(unsafe_code)]
use osbuild_stage::ini::{self, Ini, Style};
use osbuild_stage::{Arguments, Result, bail};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::process::ExitCode;

const DIRECTORY: &str = "etc/dnf/modules.d";

#[derive(Deserialize)]
struct Options {
    conf: Map<String, Value>,
}

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(&[], |arguments: Arguments<Options>| {
        let (tree, conf) = (&arguments.tree, &arguments.options.conf);
        let Some(Value::String(name)) = conf.get("name") else {
            bail!("options.conf: `name` is needed");
        };
        let text = text(name, conf)?;
        tree.create_dir_all(DIRECTORY)?;
        tree.write(&format!("{DIRECTORY}/{name}.module"), text)
    })
}

fn text(name: &str, conf: &Map<String, Value>) -> Result<String> {
    if !conf.get("profiles").is_some_and(Value::is_array) {
        bail!("options.conf: `profiles` is needed");
    }
    let mut file = Ini::new(Style {
        separator: " = ",
        lower_case: true,
        interpolated: true,
    });
    file.section(name)?;
    for (key, value) in conf {
        let value = match value {
            Value::Array(items) => {
                let items: Vec<String> = items.iter().map(ini::scalar).collect::<Result<_>>()?;
                items.join(", ")
            }
            value => ini::scalar(value)?,
        };
        file.set(name, key, &value)?;
    }
    Ok(file.render())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_is_a_section_of_the_module() {
        let conf = serde_json::from_str(
            r#"{"name": "m", "stream": "1", "state": "enabled", "profiles": ["a", "b"]}"#,
        )
        .unwrap();
        assert_eq!(
            text("m", &conf).unwrap(),
            "[m]\nname = m\nstream = 1\nstate = enabled\nprofiles = a, b\n\n"
        );
        assert!(text("m", &Map::new()).is_err());
    }
}
