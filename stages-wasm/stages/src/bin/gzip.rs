//! Compress a file with gzip.
#![forbid(unsafe_code)]
use osbuild_stage::Arguments;
use osbuild_stage_common::compress::{self, Method};
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    filename: String,
    level: Option<u32>,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| {
        let source = arguments.input("file")?.single_file()?;
        let level = arguments.options.level.unwrap_or(1);
        let target = arguments.tree.create(&arguments.options.filename)?;
        compress::file(&source, target, Method::Gzip(level))
    })
}
