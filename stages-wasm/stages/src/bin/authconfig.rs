//! Apply authconfig settings.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Result};
use osbuild_stage_common::chroot;
use serde::de::IgnoredAny;
use std::process::ExitCode;

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<IgnoredAny>| -> Result<()> {
        chroot::command(&arguments.tree, "authconfig")?
            .args(["--nostart", "--updateall"])
            .run()?;
        // Copies of the configuration before; an image has no use for them.
        arguments.tree.remove_all("var/lib/authselect/backups")
    })
}
