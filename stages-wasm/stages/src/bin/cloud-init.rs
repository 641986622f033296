//! Write a cloud.cfg.d drop-in in YAML.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Result};
use osbuild_stage_common::yaml;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    filename: String,
    config: Map<String, Value>,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| -> Result<()> {
        let options = &arguments.options;
        // cloud-init's early detection, a shell script, reads this list only when it is on one line.
        let text = yaml::write(&options.config, &["datasource_list"])?;
        arguments
            .tree
            .write(&format!("etc/cloud/cloud.cfg.d/{}", options.filename), text)
    })
}
