//! Initialise and populate the pacman keyring.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Result};
use osbuild_stage_common::chroot;
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    #[serde(default = "archlinux")]
    keyrings: Vec<String>,
}

fn archlinux() -> Vec<String> {
    vec!["archlinux".into()]
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| -> Result<()> {
        let command = || chroot::command(&arguments.tree, "pacman-key");
        let populate = command()?
            .arg("--populate")
            .operands("keyrings", &arguments.options.keyrings)?;
        command()?.arg("--init").run()?;
        populate.run()
    })
}
