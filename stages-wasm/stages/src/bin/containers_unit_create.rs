//! Create a quadlet (container, volume or network) unit.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Result, ini};
use osbuild_stage_common::dropin::{UnitPath, check_unit};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::process::ExitCode;

const SECTIONS: [(&str, &str); 3] = [
    (".container", "Container"),
    (".volume", "Volume"),
    (".network", "Network"),
];

#[derive(Deserialize)]
struct Options {
    filename: String,
    config: Map<String, Value>,
    #[serde(default, rename = "unit-path")]
    unit_path: UnitPath,
}

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(&[], |arguments: Arguments<Options>| -> Result<()> {
        let options = &arguments.options;
        check_unit(&options.filename, &options.config, &SECTIONS)?;
        let directory = match options.unit_path {
            UnitPath::Usr => "usr/share/containers/systemd",
            UnitPath::Etc => "etc/containers/systemd",
        };
        arguments.tree.write(
            &format!("{directory}/{}", options.filename),
            ini::unit(&options.config)?,
        )
    })
}
