//! Embed a checksum into an ISO image.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Command};
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    filename: String,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| {
        Command::new("implantisomd5")
            .arg(arguments.tree.path(&arguments.options.filename))
            .directory(arguments.tree.root())
            .run()
    })
}
