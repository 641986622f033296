//! Run systemd-sysusers on the tree.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Command};
use serde::de::IgnoredAny;
use std::process::ExitCode;

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<IgnoredAny>| {
        Command::new("systemd-sysusers")
            .args(["--root", arguments.tree.root()])
            .run()
    })
}
