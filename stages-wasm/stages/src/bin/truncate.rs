//! Create a file or set its size.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Error, OpenMode, Result};
use osbuild_stage_common::size::NewSize;
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    filename: String,
    size: String,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| -> Result<()> {
        let Options { filename, size } = &arguments.options;
        let wanted: NewSize = size.parse()?;
        // Appending is the way to open that makes a missing file and keeps the content of an existing one.
        let file = arguments.tree.open_as(filename, OpenMode::Append)?;
        let present = file.stat()?.size;
        let size = wanted.of(present).ok_or_else(|| {
            Error::new(format!(
                "{filename}: {size} of {present} bytes is too large"
            ))
        })?;
        file.set_size(size)
    })
}
