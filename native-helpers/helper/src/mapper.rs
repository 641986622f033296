//! Devices of the kernel's device mapper.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use osbuild_wasm_protocol::{ErrorCode, Failure};
use rustix::fs::{CWD, FileType, Mode, fsync, makedev, mknodat};
use rustix::io::Errno;

use crate::failure::{About, invalid};
use crate::programs::Programs;

/// Where the kernel takes orders.
pub const CONTROL: &str = "/dev/mapper/control";

/// How long a device may stay in use after its last user has ended.
const PATIENCE: Duration = Duration::from_secs(10);

/// A mapped device.
#[derive(Debug, PartialEq, Eq)]
pub struct Node {
    pub path: PathBuf,
    pub major: u32,
    pub minor: u32,
}

/// A mapping that goes with its last user, as loop devices do: when this process is killed, nothing is left.
pub struct Mapping {
    name: String,
    node: Node,
    device: File,
}

impl Mapping {
    /// Takes over a mapping that was just made; `program` with `arguments` tells the kernel to remove it after its last use.
    pub fn take(
        programs: &dyn Programs,
        name: String,
        program: &str,
        arguments: &[&str],
    ) -> Result<Self, Failure> {
        let node = node(&name)?;
        let device = File::open(&node.path).about(&node.path, "open this device")?;
        let told = programs.run(program, &[arguments, &[&name]].concat(), b"")?;
        told.worked(&format!("cannot let {name} go with its last user"))?;
        Ok(Self { name, node, device })
    }

    /// Its device.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// Waits until what was written is where it belongs, and until the mapping is gone.
    pub fn release(self) -> Result<(), Failure> {
        let Self { name, node, device } = self;
        let written = fsync(&device).about(&node.path, "write back this device");
        drop(device);
        let gone = || match number(&name) {
            Err(failure) if failure.code == ErrorCode::NotFound => Ok(()),
            Err(failure) => Err(failure),
            Ok(_) => {
                let detail = "it is still in use by another program (udev, a mount)";
                Err(Failure::new(ErrorCode::Busy, &name, detail))
            }
        };
        let gone = insist(gone);
        if gone.is_ok() {
            forget(&name);
        }
        written.and(gone)
    }
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

/// The device of a mapping that was just made. Its node is made where udev does not do it.
fn node(name: &str) -> Result<Node, Failure> {
    let path = Path::new("/dev/mapper").join(name);
    let (major, minor) = number(name)?;
    match std::fs::metadata(&path) {
        Err(_) => make_node(&path, major, minor)?,
        Ok(there)
            if there.file_type().is_block_device() && there.rdev() == makedev(major, minor) => {}
        Ok(_) => {
            let detail = "this is another device than the one that was just made";
            return Err(invalid(path.to_string_lossy(), detail));
        }
    }
    Ok(Node { path, major, minor })
}

/// The number of a mapped device, as the kernel says it.
fn number(name: &str) -> Result<(u32, u32), Failure> {
    let entries = std::fs::read_dir("/sys/block").about("/sys/block", "list the devices")?;
    let mut devices = entries.flatten().map(|entry| entry.path());
    let is_ours = |device: &PathBuf| {
        let known = std::fs::read_to_string(device.join("dm/name"));
        known.is_ok_and(|known| known.trim_end() == name)
    };
    let missing = || {
        let detail = "the kernel has no mapped device of this name";
        Failure::new(ErrorCode::NotFound, name, detail)
    };
    let device = devices.find(is_ours).ok_or_else(missing)?;
    let text = std::fs::read_to_string(device.join("dev")).about(&device, "learn its number")?;
    let numbers = text.trim().split_once(':');
    let numbers =
        numbers.and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
    numbers.ok_or_else(missing)
}

fn make_node(path: &Path, major: u32, minor: u32) -> Result<(), Failure> {
    let (mode, device) = (Mode::from_raw_mode(0o600), makedev(major, minor));
    match mknodat(CWD, path, FileType::BlockDevice, mode, device) {
        // udev was quicker.
        Err(Errno::EXIST) => Ok(()),
        made => made.about(path, "make the node of this device"),
    }
}

/// Takes away the node of a mapping that is gone; udev may have done it.
fn forget(name: &str) {
    let _ = std::fs::remove_file(Path::new("/dev/mapper").join(name));
}

/// Tries again until it works or patience ends: programs that looked at a device may still have it open.
fn insist(mut attempt: impl FnMut() -> Result<(), Failure>) -> Result<(), Failure> {
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
