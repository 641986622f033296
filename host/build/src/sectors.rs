//! Sectors of 4096 bytes where files stand for devices: what programs learn from the kernel of a device is said to them here.
use osbuild_wasm_protocol::{Input, Run};
use std::collections::BTreeMap;

/// The size of sectors that files have for all programs.
pub(crate) const USUAL: u32 = 512;

/// The other size that disks have.
pub(crate) const LARGE: u32 = 4096;

/// Stages that make partition tables, by programs that cannot be told. They get a file with small sectors instead.
pub(crate) const PARTITIONERS: [&str; 3] = [
    "org.osbuild.sfdisk",
    "org.osbuild.sgdisk",
    "org.osbuild.parted",
];

/// What sfdisk aligns partitions to, and where it lets the first one begin: as many sectors as are 1 MiB on the disk.
const GRAIN: &str = "grain: 131072\nfirst-lba: 256\n";

/// What sgdisk aligns partitions to, for the same reason.
const ALIGNMENT: &str = "256";

/// Adds to a program's arguments that a device has large sectors; `sectors` are those of devices by contract path.
pub(crate) fn tell(run: &mut Run, sectors: &BTreeMap<String, u32>) {
    let mut sizes = run.arguments.iter().filter_map(|word| sectors.get(word));
    let Some(size) = sizes.next() else {
        return;
    };
    if run.program == "sfdisk"
        && let Input::Bytes(script) = &mut run.input
    {
        script.0.splice(0..0, GRAIN.bytes());
    }
    let options = match run.program.as_str() {
        // No block of the file system is smaller than a sector, and 4096 bytes is the largest default.
        "mkfs.ext4" if !run.arguments.iter().any(|word| word == "-b") => {
            ["-b".to_owned(), size.to_string()]
        }
        "sgdisk" => ["-a".to_owned(), ALIGNMENT.to_owned()],
        "mkfs.xfs" => ["-s".to_owned(), format!("size={size}")],
        "mkfs.fat" | "mkfs.vfat" => ["-S".to_owned(), size.to_string()],
        _ => return,
    };
    // A new table would set the alignment back.
    let partition = run.arguments.iter().position(|word| word == "-n");
    let at = partition.filter(|_| run.program == "sgdisk").unwrap_or(0);
    run.arguments.splice(at..at, options);
}
