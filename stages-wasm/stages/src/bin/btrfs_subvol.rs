//! Create btrfs subvolumes below the mounts.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Command, Result, Tree, path};
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
        let subvolumes = arguments.options.subvolumes.iter();
        subvolumes
            .map(|volume| path::join(&arguments.paths.mounts, &volume.name))
            .try_for_each(create)
    })
}

fn create(path: String) -> Result<()> {
    // Programs of before 2023 have no option for this.
    Tree::contract().create_dir_all(path::parent(&path))?;
    Command::new("btrfs")
        .args(["subvolume", "create"])
        .arg(path)
        .run()
}
