//! Produce nothing.
#![forbid(unsafe_code)]
#![allow(
    clippy::print_stdout,
    reason = "standard output of a component is its log"
)]
use osbuild_stage::{Arguments, Result};
use std::process::ExitCode;

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<serde_json::Value>| -> Result<()> {
        println!("options: {}", arguments.options);
        Ok(())
    })
}
