//! Create an OCI image archive from the tree.
#![forbid(unsafe_code)]
use osbuild_stage::Arguments;
use osbuild_stage_common::clock;
use osbuild_stage_common::oci::{Image, Layer};
use std::process::ExitCode;

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Image>| {
        let layer = Layer {
            name: "tree".into(),
            tree: arguments.input("tree")?.tree(),
        };
        let now = clock::now(&arguments.meta);
        arguments.options.write(&arguments.tree, &[layer], now)
    })
}
