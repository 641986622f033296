//! Fail with a chosen exit status.
#![forbid(unsafe_code)]
use osbuild_stage_common::failing::fail;
use std::process::ExitCode;

fn main() -> ExitCode {
    osbuild_stage::run(fail)
}
