//! Select an authselect profile.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Command};
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    profile: String,
    #[serde(default)]
    features: Vec<String>,
}

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(&[], |arguments: Arguments<Options>| {
        let options = arguments.options;
        Command::new("authselect")
            .in_tree()
            .args(["select", "--force", "--nobackup"])
            .operands("profile", [&options.profile])?
            .operands("features", &options.features)?
            .run()
    })
}
