//! Configure the GCP guest agent.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, IndexMap, Result, ini};
use osbuild_stage_common::ini_preserve;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    config_scope: Option<String>,
    config: IndexMap<String, Map<String, Value>>,
}

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(&[], |arguments: Arguments<Options>| -> Result<()> {
        let (tree, options) = (&arguments.tree, &arguments.options);
        tree.create_dir_all("etc/default")?;
        let path = match options.config_scope.as_deref() {
            Some("distro") => "etc/default/instance_configs.cfg.distro",
            _ => "etc/default/instance_configs.cfg",
        };
        ini_preserve::edit(tree, path, |file| {
            for (section, settings) in &options.config {
                file.add_section(section);
                for (key, value) in settings {
                    file.set(section, key, &written(value)?)?;
                }
            }
            Ok(())
        })
    })
}

fn written(value: &Value) -> Result<String> {
    Ok(match value {
        Value::Bool(value) => value.to_string(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(ini::scalar).collect::<Result<_>>()?;
            items.join(", ")
        }
        value => ini::scalar(value)?,
    })
}
