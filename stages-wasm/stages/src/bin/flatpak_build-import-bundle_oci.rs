//! Import a container image as flatpak bundle into a repository.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Command, Result};
use osbuild_stage_common::container;
use osbuild_stage_common::temporary::Temporary;
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    repository: String,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| -> Result<()> {
        let tree = &arguments.tree;
        let repository = arguments.locate(&arguments.options.repository)?;
        let image = container::only_image(arguments.input("containers")?)?;
        let layout = Temporary::new(tree)?;
        let copy = tree.path(layout.name());
        Command::new("skopeo")
            .args([
                "copy",
                &format!("dir:{}", image.path),
                // flatpak takes an image of a layout only by its name there.
                &format!("oci:{copy}:latest"),
            ])
            .run()?;
        Command::new("flatpak")
            .args(["build-import-bundle", "--oci", &repository, &copy])
            .run()
    })
}
