//! Generate the metadata of bootupd's updates in the tree.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Result};
use osbuild_stage_common::chroot;
use serde_json::Value;
use std::process::ExitCode;

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Value>| -> Result<()> {
        chroot::command(&arguments.tree, "bootupctl")?
            .args(["backend", "generate-update-metadata", "/"])
            .run()
    })
}
