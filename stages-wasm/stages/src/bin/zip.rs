//! Create a zip archive of an input tree.
#![forbid(unsafe_code)]
use osbuild_stage::Arguments;
use osbuild_stage_common::zip;
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    filename: String,
    #[serde(default)]
    include: Vec<String>,
    level: Option<u32>,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| {
        let options = &arguments.options;
        zip::create(
            &arguments.input("tree")?.tree(),
            &arguments.tree,
            &options.filename,
            options.level.unwrap_or(6),
            &options.include,
        )
    })
}
