//! Put the tree into a raw file system image.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, OpenMode, Result};
use osbuild_stage_common::image::{self, Volume};
use osbuild_stage_common::mkfs::Kind;
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    filename: String,
    root_fs_uuid: String,
    size: u64,
    #[serde(default)]
    fs_type: Kind,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| -> Result<()> {
        let options = &arguments.options;
        arguments
            .tree
            .open_as(&options.filename, OpenMode::Create)?
            .set_size(options.size)?;
        let volume = Volume {
            offset: 0,
            size: None,
            kind: options.fs_type,
            uuid: options.root_fs_uuid.clone(),
            label: None,
            mount_point: "/".into(),
        };
        let tree = &arguments.input("tree")?.path;
        image::fill(
            &arguments.tree.path(&options.filename),
            &[volume],
            tree,
            || Ok(()),
        )
    })
}
