//! Fix up a copied ostree sysroot.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Command, path};
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    #[serde(default)]
    sysroot: String,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| {
        let root = path::join(&arguments.paths.mounts, &arguments.options.sysroot);
        Command::new("ostree")
            .args(["admin", "post-copy", &format!("--sysroot={root}")])
            .run()
    })
}
