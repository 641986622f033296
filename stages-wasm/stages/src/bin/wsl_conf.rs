//! Set boot.systemd in etc/wsl.conf.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Result};
use osbuild_stage_common::ini_preserve;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    #[serde(default)]
    boot: Map<String, Value>,
}

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(&[], |arguments: Arguments<Options>| -> Result<()> {
        let boot = &arguments.options.boot;
        if boot.is_empty() {
            return Ok(());
        }
        let systemd = boot.get("systemd") == Some(&Value::Bool(true));
        ini_preserve::edit(&arguments.tree, "etc/wsl.conf", |file| {
            file.set_in("boot", "systemd", &systemd.to_string())
        })
    })
}
