//! Write a kickstart file for the installer Anaconda.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Result, path};
use osbuild_stage_common::kickstart::Kickstart;
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    path: String,
    #[serde(flatten)]
    kickstart: Kickstart,
}

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(
        &["commands"],
        |arguments: Arguments<Options>| -> Result<()> {
            let Options { path, kickstart } = &arguments.options;
            arguments.tree.create_dir_all(path::parent(path))?;
            arguments.tree.write(path, kickstart.render()?)
        },
    )
}
