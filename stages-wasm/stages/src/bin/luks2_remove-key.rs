//! Remove a key from a LUKS2 device.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Command, Result};
use osbuild_stage_common::luks;
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    passphrase: String,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| -> Result<()> {
        Command::new("cryptsetup")
            .args(["-q", "luksRemoveKey"])
            .arg(luks::device(&arguments)?)
            .stdin(arguments.options.passphrase.as_bytes())
            .run()
    })
}
