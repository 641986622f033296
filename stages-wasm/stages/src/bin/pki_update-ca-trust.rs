//! Rebuild the CA trust store.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Error, Result};
use osbuild_stage_common::chroot;
use serde::de::IgnoredAny;
use std::process::ExitCode;

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<IgnoredAny>| -> Result<()> {
        let command = chroot::command(&arguments.tree, "update-ca-trust")?;
        match command.arg("extract").status()? {
            0 => Ok(()),
            status => Err(
                Error::new(format!("update-ca-trust ended with status {status}"))
                    .with_status(u8::try_from(status).unwrap_or(1)),
            ),
        }
    })
}
