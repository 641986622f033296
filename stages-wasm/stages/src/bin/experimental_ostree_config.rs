//! Set experimental options of a repository.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Command};
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    repo: String,
    config: Config,
}

#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    integrity: Integrity,
}

#[derive(Deserialize, Default)]
struct Integrity {
    composefs: Option<String>,
}

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(&[], |arguments: Arguments<Options>| {
        let options = &arguments.options;
        let Some(value) = &options.config.integrity.composefs else {
            return Ok(());
        };
        Command::new("ostree")
            .args(["config", "set", "ex-integrity.composefs"])
            .operands("config.integrity.composefs", [value])?
            .arg(format!("--repo={}", arguments.tree.path(&options.repo)))
            .run()
    })
}
