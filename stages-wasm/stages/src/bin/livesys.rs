//! Select the live session type.
#![forbid(unsafe_code)]
use osbuild_stage::Arguments;
use osbuild_stage_common::sysconfig;
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    livesys_session: String,
}

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(&[], |arguments: Arguments<Options>| {
        sysconfig::write_livesys(
            &arguments.tree,
            "livesys_session",
            &arguments.options.livesys_session,
        )
    })
}
