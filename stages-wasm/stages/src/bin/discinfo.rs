//! Write the .discinfo file of an installer tree.
#![forbid(unsafe_code)]
use osbuild_stage::Arguments;
use osbuild_stage_common::clock;
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    basearch: String,
    release: String,
}

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(&[], |arguments: Arguments<Options>| {
        let options = &arguments.options;
        let seconds = clock::now(&arguments.meta).as_secs_f64();
        arguments.tree.write(
            ".discinfo",
            format!("{seconds:?}\n{}\n{}\n", options.release, options.basearch),
        )
    })
}
