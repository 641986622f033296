//! Which block devices a session may use.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use osbuild_wasm_protocol::{Device, ErrorCode, Failure};
use rustix::fs::{FileType, Mode, OFlags, major, minor, stat as stat_of};

use crate::access::{Access, descriptor_path, real_path};
use crate::failure::{About, denied};
use crate::sandbox::Shown;

/// Where the kernel puts this in front of the backing file's path when the path is gone.
const DELETED: &[u8] = b" (deleted)";

/// A device that may be used, or a file of this run in its place.
#[derive(Debug)]
pub struct Node {
    /// Opened without touching its content.
    pub file: OwnedFd,
    /// A path that leads to it: of a device the one that programs know it by.
    pub path: PathBuf,
}

impl Node {
    /// Whether a file stands for the device.
    pub fn is_file(&self) -> bool {
        self.path.is_file()
    }

    /// Shows it under its own name.
    pub fn shown(&self) -> Result<Shown, Failure> {
        self.shown_at(&self.path)
    }

    /// Shows it at a path of the sandbox.
    pub fn shown_at(&self, target: impl Into<PathBuf>) -> Result<Shown, Failure> {
        Ok(Shown::Device {
            node: self
                .file
                .try_clone()
                .about(&self.path, "copy a descriptor")?,
            target: target.into(),
        })
    }
}

/// The device of a grant.
pub fn granted(access: &Access, granted: &Device) -> Result<Node, Failure> {
    let file = access.file(granted.node)?.try_clone();
    check(
        access,
        file.about("", "copy a descriptor")?,
        &granted.contract,
    )
}

/// Opens a device of this machine by its path, if it may be used.
pub fn open(access: &Access, node: &Path) -> Result<Node, Failure> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let file = rustix::fs::open(node, flags, Mode::empty()).about(node, "open this device")?;
    check(access, file, &node.to_string_lossy())
}

/// What is open was checked, whatever it was opened by.
fn check(access: &Access, file: OwnedFd, name: &str) -> Result<Node, Failure> {
    let stat = rustix::fs::fstat(&file).about(name, "look at this device")?;
    match FileType::from_raw_mode(stat.st_mode) {
        // It does for tools that format or partition: `stage run` names such files.
        FileType::RegularFile => {
            access.scopes().check(&file, name)?;
            let path = descriptor_path(&file).into();
            Ok(Node { file, path })
        }
        FileType::BlockDevice => {
            let number = stat.st_rdev;
            let sysfs = sysfs_of(number).about(name, "find this device in /sys")?;
            if !rests_on_scope(access, &sysfs, 8) {
                return Err(denied(name, "the device does not show a file of this run"));
            }
            let path = real_path(&file).about(name, "find this device")?;
            match stat_of(&path).is_ok_and(|there| there.st_rdev == number) {
                true => Ok(Node { file, path }),
                false => Err(denied(name, "the node of this device has no path here")),
            }
        }
        _ => Err(denied(name, "this is neither a block device nor a file")),
    }
}

/// What the kernel says of a block device, by its number.
fn sysfs_of(number: u64) -> std::io::Result<PathBuf> {
    let (major, minor) = (major(number), minor(number));
    std::fs::canonicalize(format!("/sys/dev/block/{major}:{minor}"))
}

/// Whether a device, through partitions, mapped devices and loop devices on these, ends in loop devices of files in the scopes.
fn rests_on_scope(access: &Access, sysfs: &Path, depth: u32) -> bool {
    let Some(depth) = depth.checked_sub(1) else {
        return false;
    };
    if sysfs.join("partition").exists() {
        return sysfs
            .parent()
            .is_some_and(|disk| rests_on_scope(access, disk, depth));
    }
    if let Some(file) = backing_file(sysfs) {
        return match std::fs::metadata(&file) {
            Ok(there) if there.file_type().is_block_device() => {
                sysfs_of(there.rdev()).is_ok_and(|device| rests_on_scope(access, &device, depth))
            }
            _ => access.scopes().contains_real(&file),
        };
    }
    let below: Vec<_> = std::fs::read_dir(sysfs.join("slaves"))
        .into_iter()
        .flatten()
        .flatten()
        .collect();
    let fine = |entry: &std::fs::DirEntry| {
        std::fs::canonicalize(entry.path()).is_ok_and(|sysfs| rests_on_scope(access, &sysfs, depth))
    };
    !below.is_empty() && below.iter().all(fine)
}

/// The file behind a loop device.
pub fn backing_file(sysfs: &Path) -> Option<PathBuf> {
    let text = std::fs::read(sysfs.join("loop/backing_file")).ok()?;
    let path = text.strip_suffix(b"\n").unwrap_or(&text);
    Some(PathBuf::from(OsStr::from_bytes(
        path.strip_suffix(DELETED).unwrap_or(path),
    )))
}

/// A device that a call names: one of the grant, or a loop device (or its partition) of a file in a granted directory.
pub fn resolve(access: &Access, contract: &str) -> Result<Node, Failure> {
    let mut devices = access.grant.devices.iter();
    if let Some(device) = devices.find(|device| device.contract == contract) {
        return granted(access, device);
    }
    let attached = attached(access)
        .into_iter()
        .find(|path| path.as_os_str().as_bytes() == contract.as_bytes());
    let unknown = || {
        denied(
            contract,
            "the device was neither granted nor attached by this run",
        )
    };
    open(access, &attached.ok_or_else(unknown)?)
}

/// What programs see of the granted devices and of the loop devices that this run attached itself, with the paths that they have in the
/// contract.
pub fn of_programs(access: &Access) -> Result<Vec<(OwnedFd, PathBuf)>, Failure> {
    let granted_to = access.grant.devices.iter();
    let mut devices = Vec::new();
    for device in granted_to.filter(|device| access.shows_device(device.contract.as_ref())) {
        devices.push((
            granted(access, device)?.file,
            PathBuf::from(&device.contract),
        ));
    }
    let attached = attached(access).into_iter();
    for path in attached.filter(|path| access.shows_device(path)) {
        devices.push((open(access, &path)?.file, path));
    }
    Ok(devices)
}

/// A device that a call names, or one of its partitions.
pub fn partition(access: &Access, contract: &str, partition: Option<u32>) -> Result<Node, Failure> {
    let disk = resolve(access, contract)?;
    let Some(partition) = partition else {
        return Ok(disk);
    };
    let mut path = disk.path.into_os_string();
    if path
        .to_string_lossy()
        .ends_with(|c: char| c.is_ascii_digit())
    {
        path.push("p");
    }
    path.push(partition.to_string());
    let path = PathBuf::from(path);
    if !path.exists() {
        let detail = format!(
            "there is no partition {partition}: was the device attached with a partition scan?"
        );
        return Err(Failure::new(ErrorCode::NotFound, contract, detail));
    }
    open(access, &path)
}

/// The partitions of a disk that the kernel knows.
pub fn partitions(access: &Access, disk: &Node) -> Result<Vec<Node>, Failure> {
    let name = disk.path.file_name().unwrap_or_default().to_string_lossy();
    let sysfs = Path::new("/sys/class/block").join(&*name);
    let parts = names(&sysfs).filter(|part| sysfs.join(part).join("partition").exists());
    parts
        .map(|part| open(access, &disk.path.with_file_name(part)))
        .collect()
}

/// Loop devices of files in the session's directories with their partitions: those that the stage attached itself.
pub fn attached(access: &Access) -> Vec<PathBuf> {
    let real = |directory: &osbuild_wasm_protocol::Directory| {
        let opened = access.open_directory(&directory.place).ok();
        opened.and_then(|file| real_path(file).ok())
    };
    let roots: Vec<PathBuf> = access.grant.directories.iter().filter_map(real).collect();
    let ours = |sysfs: &Path| {
        backing_file(sysfs).is_some_and(|file| roots.iter().any(|root| file.starts_with(root)))
    };
    let mut devices = Vec::new();
    for disk in names("/sys/block").filter(|name| name.starts_with("loop")) {
        let sysfs = Path::new("/sys/block").join(&disk);
        if ours(&sysfs) {
            let parts = names(&sysfs).filter(|name| name.starts_with(&format!("{disk}p")));
            devices.extend(parts.map(|part| Path::new("/dev").join(part)));
            devices.push(Path::new("/dev").join(disk));
        }
    }
    devices.retain(|device| device.exists());
    devices.sort();
    devices
}

fn names(directory: impl AsRef<Path>) -> impl Iterator<Item = String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok())
}
