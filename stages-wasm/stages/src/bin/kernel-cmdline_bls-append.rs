//! Append kernel arguments to the boot loader entries.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Result, Tree};
use osbuild_stage_common::bls;
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    kernel_opts: Vec<String>,
    bootpath: Option<String>,
}

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(&[], |arguments: Arguments<Options>| -> Result<()> {
        let options = &arguments.options;
        let boot = arguments.locate(options.bootpath.as_deref().unwrap_or("tree:///boot"))?;
        bls::append(&Tree::contract(), &boot, &options.kernel_opts)
    })
}
