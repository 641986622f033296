//! Partition a device with sfdisk.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Command};
use osbuild_stage_common::partitions::{self, Partition};
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    uuid: String,
    label: String,
    partitions: Vec<Partition>,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| {
        let (device, options) = (arguments.device("device")?, &arguments.options);
        let script =
            partitions::script(device, &options.label, &options.uuid, &options.partitions)?;
        Command::new("sfdisk")
            .args(["-q", "--no-tell-kernel", device])
            .stdin(script)
            .run()?;
        let report = Command::new("sfdisk").args(["--json", device]).capture()?;
        partitions::parse(&report, options.partitions.len())?;
        // For the log; the table is made.
        Command::new("sfdisk")
            .args(["--json", device])
            .status()
            .map(drop)
    })
}
