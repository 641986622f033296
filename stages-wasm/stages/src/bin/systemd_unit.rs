//! Write a drop-in for a service or timer.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Result, ini};
use osbuild_stage_common::dropin::{UnitType, check_name};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    unit: String,
    dropin: String,
    config: Map<String, Value>,
    #[serde(default, rename = "unit-type")]
    unit_type: UnitType,
}

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(&[], |arguments: Arguments<Options>| -> Result<()> {
        let (tree, options) = (&arguments.tree, &arguments.options);
        let directory = format!("{}.d", options.unit);
        check_name(&directory)?;
        let kind = options.unit_type.directory();
        let directory = format!("usr/lib/systemd/{kind}/{directory}");
        let text = ini::unit(&options.config)?;
        tree.create_dir_all(&directory)?;
        tree.write(&format!("{directory}/{}", options.dropin), text)
    })
}
