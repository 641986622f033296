//! Create a physical volume, a volume group and logical volumes.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Command, Result};
use osbuild_stage_common::{luks, random};
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    volumes: Vec<Volume>,
}

#[derive(Deserialize)]
struct Volume {
    name: String,
    extents: Option<String>,
    size: Option<String>,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| -> Result<()> {
        let device = luks::device(&arguments)?;
        // The name must be unique on the machine that builds; lvm2.metadata gives the final one.
        let group = random::uuid()?;
        lvm("pvcreate").arg(&device).run()?;
        lvm("vgcreate").args([&group, &device]).run()?;
        arguments.options.volumes.iter().try_for_each(|volume| {
            // Without activation nothing can be zeroed or wiped either.
            lvm("lvcreate")
                .args(["-an", "-Zn", "-Wn"])
                .option("--extents", volume.extents.as_ref())
                .option("--size", volume.size.as_ref())
                .args(["-n", &volume.name, &group])
                .run()
        })
    })
}

/// A program of lvm that writes to the device and leaves the kernel's device mapper alone: nothing is activated here, so neither the
/// mapper nor any privilege of the machine is needed.
fn lvm(program: &str) -> Command {
    Command::new(program).args(["--driverloaded", "n"])
}
