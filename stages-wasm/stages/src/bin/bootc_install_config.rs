//! Write a drop-in for bootc install.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Result};
use osbuild_stage_common::toml;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::process::ExitCode;

const DIRECTORY: &str = "usr/lib/bootc/install";

#[derive(Deserialize)]
struct Options {
    filename: String,
    config: Map<String, Value>,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| -> Result<()> {
        let (tree, options) = (&arguments.tree, &arguments.options);
        let text = toml::write(&options.config)?;
        tree.create_dir_all(DIRECTORY)?;
        tree.write(&format!("{DIRECTORY}/{}", options.filename), text)
    })
}
