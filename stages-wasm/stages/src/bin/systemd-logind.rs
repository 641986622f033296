//! Write a logind drop-in.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, IndexMap, Result};
use osbuild_stage_common::dropin;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::process::ExitCode;

const DIRECTORY: &str = "usr/lib/systemd/logind.conf.d";

#[derive(Deserialize)]
struct Options {
    filename: String,
    config: IndexMap<String, Map<String, Value>>,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| -> Result<()> {
        let (tree, options) = (&arguments.tree, &arguments.options);
        let text = dropin::text(&options.config)?;
        tree.create_dir_all(DIRECTORY)?;
        tree.write(&format!("{DIRECTORY}/{}", options.filename), text)
    })
}
