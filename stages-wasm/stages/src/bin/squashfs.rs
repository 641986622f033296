//! Create a squashfs image.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Command, Result};
use osbuild_stage_common::source;
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    filename: String,
    source: Option<String>,
    #[serde(default)]
    exclude_paths: Vec<String>,
    compression: Option<Compression>,
}

#[derive(Deserialize)]
struct Compression {
    method: String,
    #[serde(default)]
    options: CompressionOptions,
}

#[derive(Deserialize, Default)]
struct CompressionOptions {
    bcj: Option<String>,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| -> Result<()> {
        let options = &arguments.options;
        let mut command = Command::new("mksquashfs")
            .arg(source::directory(&arguments, options.source.as_deref())?)
            .arg(arguments.tree.path(&options.filename));
        if let Some(compression) = &options.compression {
            command = command
                .args(["-comp", &compression.method])
                .option("-Xbcj", compression.options.bcj.as_ref());
        }
        if !options.exclude_paths.is_empty() {
            command = command.args(["-regex", "-e"]).args(&options.exclude_paths);
        }
        command.run()
    })
}
