//! Create an OCI image archive from input trees.
#![forbid(unsafe_code)]
use osbuild_stage::Arguments;
use osbuild_stage_common::clock;
use osbuild_stage_common::oci::{Image, Layer};
use std::process::ExitCode;

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Image>| {
        // The base comes first as well by its name.
        let mut inputs: Vec<_> = arguments.inputs.iter().collect();
        inputs.sort_by_key(|(name, _)| *name);
        let layer = |(name, input): (&String, &osbuild_stage::Input)| Layer {
            name: name.clone(),
            tree: input.tree(),
        };
        let layers: Vec<_> = inputs.into_iter().map(layer).collect();
        let now = clock::now(&arguments.meta);
        arguments.options.write(&arguments.tree, &layers, now)
    })
}
