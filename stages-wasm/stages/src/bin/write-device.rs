//! Write a file onto a block device.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Context, OpenMode, Result, Tree, bail};
use serde::Deserialize;
use std::process::ExitCode;

const MIB: f64 = 1024.0 * 1024.0;

#[derive(Deserialize)]
struct Options {
    from: String,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| -> Result<()> {
        let from = &arguments.options.from;
        let source = Tree::contract().open(&arguments.locate(from)?)?;
        let device = Tree::contract().open_as(arguments.device("device")?, OpenMode::Update)?;
        let (size, capacity) = (source.stat()?.size, device.stat()?.size);
        if size > capacity {
            bail!(
                "File too large ({:.1} mb) for device ({:.1} mb)",
                size as f64 / MIB,
                capacity as f64 / MIB
            );
        }
        device
            .copy_from(&source, 0, 0, size)
            .with_context(|| format!("cannot write {from} to the device"))?;
        device.sync()
    })
}
