//! Build a GRUB core image and put it into a disk image or a file of its own.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Error, OpenMode, Result, grub as host};
use osbuild_stage_common::grub::{self, CoreSpec};
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    filename: String,
    platform: String,
    location: Option<u64>,
    core: Core,
    prefix: Prefix,
    #[serde(rename = "sector-size")]
    sector_size: Option<u64>,
}

#[derive(Deserialize)]
struct Core {
    partlabel: String,
    filesystem: String,
    binary: Option<String>,
}

#[derive(Deserialize)]
struct Prefix {
    partlabel: Option<String>,
    number: Option<u64>,
    path: String,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| {
        let (tree, options) = (&arguments.tree, &arguments.options);
        let core = host::core_image(&core(options)?)?;
        let Some(location) = options.location.filter(|location| *location != 0) else {
            return tree.write(&options.filename, core);
        };
        let disk = tree.open_as(&options.filename, OpenMode::Update)?;
        install(&disk, &core, options, location)
    })
}

fn core(options: &Options) -> Result<host::Core> {
    let spec = CoreSpec {
        program: options.core.binary.as_deref().unwrap_or("grub2-mkimage"),
        platform: &options.platform,
        partition_table: &options.core.partlabel,
        file_system: &options.core.filesystem,
        prefix: &prefix(&options.prefix)?,
    };
    spec.core()
}

/// A partition is counted from 0 here and from 1 by GRUB.
fn prefix(prefix: &Prefix) -> Result<String> {
    let Some(number) = prefix.number else {
        return Ok(prefix.path.clone());
    };
    let label = prefix
        .partlabel
        .as_ref()
        .ok_or_else(|| Error::new("options.prefix: `number` needs `partlabel`"))?;
    Ok(grub::partition_prefix(label, number + 1, &prefix.path))
}

/// `location` is the first sector of the core image.
fn install(
    disk: &osbuild_stage::File,
    core: &[u8],
    options: &Options,
    location: u64,
) -> Result<()> {
    let sector_size = options.sector_size.unwrap_or(512);
    let start = location
        .checked_mul(sector_size)
        .ok_or_else(|| Error::new(format!("location {location} is too large")))?;
    disk.write_at(start, core)?;
    if options.platform != "i386-pc" {
        return Ok(());
    }
    // Right behind the boot sector the core image is where its first sector expects the rest.
    if start > 512 {
        disk.write_at(
            start + grub::CORE_NEXT_SECTOR,
            &(location + 1).to_le_bytes(),
        )?;
    }
    grub::write_boot_sector(disk, &host::boot_image(&options.platform)?, location)
}
