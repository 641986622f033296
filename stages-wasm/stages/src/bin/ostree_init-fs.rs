//! Initialise an ostree sysroot.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Command};
use serde::de::IgnoredAny;
use std::process::ExitCode;

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<IgnoredAny>| {
        let root = arguments.tree.root();
        Command::new("ostree")
            .args(["admin", "init-fs", "--modern", root])
            .arg(format!("--sysroot={root}"))
            .run()
    })
}
