//! Create a btrfs file system.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Command};
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    uuid: String,
    label: Option<String>,
    metadata: Option<String>,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| {
        let options = &arguments.options;
        Command::new("mkfs.btrfs")
            .args(["-U", &options.uuid])
            .option(
                "-L",
                options.label.as_deref().filter(|label| !label.is_empty()),
            )
            .option(
                "-m",
                options
                    .metadata
                    .as_deref()
                    .filter(|profile| !profile.is_empty()),
            )
            .arg(arguments.device("device")?)
            .run()
    })
}
