//! Create btrfs subvolumes below the mounts.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Command, path};
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    #[serde(default)]
    subvolumes: Vec<Subvolume>,
}

#[derive(Deserialize)]
struct Subvolume {
    name: String,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| {
        arguments.options.subvolumes.iter().try_for_each(|volume| {
            Command::new("btrfs")
                .args(["subvolume", "create", "-p"])
                .arg(path::join(&arguments.paths.mounts, &volume.name))
                .run()
        })
    })
}
