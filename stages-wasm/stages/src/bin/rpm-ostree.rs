//! Let rpm-ostree finish a tree.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Result};
use osbuild_stage_common::treefile::{MACHINE_ID, PostProcess};
use std::process::ExitCode;

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<PostProcess>| -> Result<()> {
        let tree = &arguments.tree;
        arguments.options.run(tree, tree.exists(MACHINE_ID)?)
    })
}
