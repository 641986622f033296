//! Set the system-wide crypto policy.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Result};
use osbuild_stage_common::chroot;
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    policy: String,
}

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(&[], |arguments: Arguments<Options>| -> Result<()> {
        chroot::command(&arguments.tree, "update-crypto-policies")?
            .arg("--set")
            .operands("policy", [&arguments.options.policy])?
            .run()
    })
}
