//! Create a service, mount, socket or swap unit.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Result, ini};
use osbuild_stage_common::dropin::{UnitPath, UnitType, check_unit};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::process::ExitCode;

const SECTIONS: [(&str, &str); 4] = [
    (".service", "Service"),
    (".mount", "Mount"),
    (".socket", "Socket"),
    (".swap", "Swap"),
];

#[derive(Deserialize)]
struct Options {
    filename: String,
    config: Map<String, Value>,
    #[serde(default, rename = "unit-type")]
    unit_type: UnitType,
    #[serde(default, rename = "unit-path")]
    unit_path: UnitPath,
}

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(&[], |arguments: Arguments<Options>| -> Result<()> {
        let options = &arguments.options;
        check_unit(&options.filename, &options.config, &SECTIONS)?;
        let base = match options.unit_path {
            UnitPath::Usr => "usr/lib/systemd",
            UnitPath::Etc => "etc/systemd",
        };
        let kind = options.unit_type.directory();
        arguments.tree.write(
            &format!("{base}/{kind}/{}", options.filename),
            ini::unit(&options.config)?,
        )
    })
}
