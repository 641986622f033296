//! Create a squashfs image.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Result};
use osbuild_stage_common::{source, squashfs};
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    filename: String,
    source: Option<String>,
    #[serde(default)]
    exclude_paths: Vec<String>,
    compression: Option<squashfs::Compression>,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| -> Result<()> {
        let options = &arguments.options;
        let mut command = squashfs::command(
            &source::directory(&arguments, options.source.as_deref())?,
            &arguments.tree.path(&options.filename),
            options.compression.as_ref(),
        );
        if !options.exclude_paths.is_empty() {
            command = command.args(["-regex", "-e"]).args(&options.exclude_paths);
        }
        command.run()
    })
}
