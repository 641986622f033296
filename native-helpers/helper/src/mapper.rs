//! Devices of the kernel's device mapper.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use osbuild_wasm_protocol::{ErrorCode, Failure};
use rustix::fs::{fsync, major, minor};

use crate::failure::{About, invalid};

/// Where the kernel takes orders.
const CONTROL: &str = "/dev/mapper/control";

/// How long a device may stay in use after its last user has ended.
const PATIENCE: Duration = Duration::from_secs(10);

/// A mapped device.
#[derive(Debug, PartialEq, Eq)]
pub struct Node {
    pub path: PathBuf,
    pub major: u32,
    pub minor: u32,
}

/// Fails where the kernel has no device mapper.
pub fn check() -> Result<(), Failure> {
    let opened = OpenOptions::new().read(true).write(true).open(CONTROL);
    let missing = |error| {
        let detail = format!(
            "this kernel has no device mapper: load its module dm_mod, or build on a machine that has it ({CONTROL}: {error})"
        );
        Failure::new(ErrorCode::Unsupported, "", detail)
    };
    opened.map(drop).map_err(missing)
}

/// The device of a mapping that was just made.
pub fn node(name: &str) -> Result<Node, Failure> {
    let path = Path::new("/dev/mapper").join(name);
    let metadata = std::fs::metadata(&path).about(&path, "find the mapped device")?;
    if !metadata.file_type().is_block_device() {
        let detail = "this is no block device";
        return Err(invalid(path.to_string_lossy(), detail));
    }
    Ok(Node {
        path,
        major: major(metadata.rdev()),
        minor: minor(metadata.rdev()),
    })
}

/// Waits until what was written to a device is where it belongs.
pub fn write_back(node: &Path) -> Result<(), Failure> {
    let device = File::open(node).about(node, "open this device")?;
    fsync(&device).about(node, "write back this device")
}

/// Tries again until it works or patience ends: programs that looked at a device may still have it open.
pub fn insist(mut attempt: impl FnMut() -> Result<(), Failure>) -> Result<(), Failure> {
    let start = Instant::now();
    loop {
        match attempt() {
            Err(_) if start.elapsed() < PATIENCE => sleep(Duration::from_millis(100)),
            result => return result,
        }
    }
}

/// The name that the device mapper gives a logical volume.
pub fn name_of_volume(group: &str, volume: &str) -> String {
    let double = |name: &str| name.replace('-', "--");
    format!("{}-{}", double(group), double(volume))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dashes_of_names_are_doubled() {
        assert_eq!(name_of_volume("vg-a", "lv"), "vg--a-lv");
        assert_eq!(name_of_volume("rootvg", "home-lv"), "rootvg-home--lv");
    }

    #[test]
    fn a_kernel_without_device_mapper_is_told_in_one_sentence() {
        if let Err(failure) = check() {
            let text = failure.to_string();
            assert!(
                text.starts_with("this kernel has no device mapper: "),
                "{text}"
            );
            assert_eq!(failure.code, ErrorCode::Unsupported);
        }
    }
}
