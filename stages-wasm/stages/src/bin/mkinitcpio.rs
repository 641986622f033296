//! Regenerate the initramfs with mkinitcpio.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Result};
use osbuild_stage_common::chroot;
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    preset: Option<String>,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| -> Result<()> {
        let preset = arguments.options.preset.as_deref().unwrap_or("linux");
        chroot::command(&arguments.tree, "mkinitcpio")?
            .args(["-p", preset])
            .run()
    })
}
