//! Copy the file system of a container image into the tree.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Command, Result, Tree};
use osbuild_stage_common::container::{self, Image};
use osbuild_stage_common::temporary::Temporary;
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    #[serde(default)]
    exclude: Vec<String>,
    #[serde(default, rename = "remove-signatures")]
    remove_signatures: bool,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| -> Result<()> {
        let (tree, options) = (&arguments.tree, &arguments.options);
        let image = container::only_image(arguments.input("images")?)?;
        if image.format == "dir" {
            container::unpack(&Tree::new(&image.path), tree)?;
        } else {
            unpack_copy(&image, tree, options.remove_signatures)?;
        }
        options
            .exclude
            .iter()
            .try_for_each(|path| tree.remove_all(path))
    })
}

/// Unpacks an image of another format by way of the layout `dir`.
fn unpack_copy(image: &Image, tree: &Tree, remove_signatures: bool) -> Result<()> {
    let copy = Temporary::new(tree)?;
    let place = copy.path("image");
    let command = Command::new("skopeo")
        .arg("copy")
        .flag("--remove-signatures", remove_signatures)
        .args([image.source()?, format!("dir:{}", tree.path(&place))]);
    image.show(command).run()?;
    container::unpack(&tree.below(&place), tree)
}
