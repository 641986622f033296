//! Write custom facts for the subscription manager.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Result, json};
use serde::Deserialize;
use serde_json::Value;
use std::process::ExitCode;

const DIRECTORY: &str = "etc/rhsm/facts";

#[derive(Deserialize)]
struct Options {
    facts: Value,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| -> Result<()> {
        let (tree, facts) = (&arguments.tree, &arguments.options.facts);
        tree.create_dir_all(DIRECTORY)?;
        tree.write_new(&format!("{DIRECTORY}/osbuild.facts"), json::one_line(facts))
    })
}
