//! Bind a LUKS device to a policy of clevis.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Command, Result};
use osbuild_stage_common::luks;
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    passphrase: String,
    pin: String,
    policy: String,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| -> Result<()> {
        let options = &arguments.options;
        // clevis reads keys through /dev/fd, which the sandbox's /dev has.
        Command::new("clevis")
            .args(["luks", "bind", "-k-", "-y", "-f", "-d"])
            .arg(luks::device(&arguments)?)
            .operands("pin", [&options.pin])?
            .operands("policy", [&options.policy])?
            .stdin(options.passphrase.as_bytes())
            .run()
    })
}
