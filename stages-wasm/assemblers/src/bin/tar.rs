//! Pack the tree into a tar archive.
#![forbid(unsafe_code)]
use osbuild_stage::Arguments;
use osbuild_stage_common::compress::Method;
use osbuild_stage_common::tar::{self, Format, Transform};
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    filename: String,
    compression: Option<String>,
    acls: Option<bool>,
    selinux: Option<bool>,
    xattrs: Option<bool>,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| {
        let options = &arguments.options;
        let how = tar::Options {
            format: Format::Gnu,
            compression: options
                .compression
                .as_deref()
                .map_or(Ok(Method::None), Method::named)?,
            acls: options.acls.unwrap_or(true),
            selinux: options.selinux.unwrap_or(true),
            xattrs: match options.xattrs {
                Some(false) => &[],
                _ => tar::ALL_XATTRS,
            },
            sparse: false,
            numeric_owner: false,
            transform: Transform::default(),
        };
        let archive = arguments.tree.create(&options.filename)?;
        tar::create(
            &arguments.input("tree")?.tree(),
            &[".".into()],
            archive,
            &how,
        )
    })
}
