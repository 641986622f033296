//! Create the stateroot of an operating system.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Command};
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    osname: String,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| {
        Command::new("ostree")
            .args(["admin", "os-init"])
            .operands("osname", [&arguments.options.osname])?
            .arg(format!("--sysroot={}", arguments.tree.root()))
            .run()
    })
}
