//! `osbuild:stage/loopback`: files as block devices.

use std::fs::{File, OpenOptions};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use osbuild_wasm_protocol::{Attach, Attached, ErrorCode, Failure};
use osbuild_wasm_sys::loop_device::{self, Settings};
use rustix::fs::{
    CWD, FileType, FlockOperation, Mode, OFlags, fsync, major, makedev, minor, mknodat,
};
use rustix::io::Errno;

use crate::access::{Need, descriptor_path};
use crate::device::{Node, backing_file};
use crate::failure::{About, invalid};
use crate::programs::{Machine, Programs};
use crate::session::{Resource, Session};

/// Major number of loop devices.
const MAJOR: u32 = 7;

/// How often another free device is tried when another process was quicker.
const ATTEMPTS: u32 = 100;

/// How long a device may stay in use after it was detached.
const PATIENCE: Duration = Duration::from_secs(30);

/// An attached device.
pub struct Device {
    number: u32,
    /// Open as long as it is attached: the kernel detaches when the last user is gone, and it reports failed writes to those who had
    /// it open at the time.
    device: File,
    partitions: Vec<(u32, File)>,
    file: OwnedFd,
    /// Nodes that the system did not make.
    nodes: Vec<PathBuf>,
}

/// Attaches a file.
pub fn attach(
    session: &mut Session,
    attach: &Attach,
    [file]: [OwnedFd; 1],
) -> Result<Attached, Failure> {
    let device = Device::attach(session, attach, &file)?;
    let partitions = device
        .partitions
        .iter()
        .map(|(number, _)| *number)
        .collect();
    let number = device.number;
    let handle = session.hold(Box::new(device));
    Ok(Attached {
        handle,
        device: format!("/dev/loop{number}"),
        major: MAJOR,
        minor: number,
        partitions,
    })
}

/// Opens the file that came with the call as the device needs it.
fn open_file(session: &Session, attach: &Attach, file: &OwnedFd) -> Result<OwnedFd, Failure> {
    if !matches!(attach.sector_size, 512 | 1024 | 2048 | 4096) {
        return Err(invalid(
            &attach.path,
            "the sector size must be 512, 1024, 2048 or 4096",
        ));
    }
    let (need, flags) = if attach.read_only {
        (Need::Read, OFlags::RDONLY)
    } else {
        (Need::Write, OFlags::RDWR)
    };
    session.access.holds(file, &attach.path, need)?;
    let stat = rustix::fs::fstat(file).about(&attach.path, "look at this file")?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(invalid(&attach.path, "only a regular file can be attached"));
    }
    let end = attach.offset.checked_add(attach.size.unwrap_or(0));
    if end.is_none_or(|end| end > stat.st_size.unsigned_abs()) {
        let detail = format!(
            "the part to attach ends behind the end of the file ({} bytes)",
            stat.st_size
        );
        return Err(invalid(&attach.path, detail));
    }
    rustix::fs::open(
        descriptor_path(file),
        flags | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .about(&attach.path, "open")
}

impl Device {
    fn attach(session: &Session, attach: &Attach, file: &OwnedFd) -> Result<Self, Failure> {
        let settings = Settings {
            offset: attach.offset,
            size: attach.size.unwrap_or(0),
            block_size: attach.sector_size,
            read_only: attach.read_only,
            partition_scan: attach.partition_scan,
        };
        let file = open_file(session, attach, file)?;
        let mut attached = Self::bind(file, settings, attach.lock, &attach.path)?;
        if attach.partition_scan {
            attached.scan(session, attach.read_only)?;
        }
        Ok(attached)
    }

    /// Shows another block device as a loop device.
    pub fn over(node: &Path) -> Result<Self, Failure> {
        let opened = OpenOptions::new().read(true).write(true).open(node);
        let device = opened.about(node, "open this device")?;
        let settings = Settings {
            offset: 0,
            size: 0,
            block_size: block_size(&device).about(node, "learn the size of its blocks")?,
            read_only: false,
            partition_scan: false,
        };
        Self::bind(device.into(), settings, false, &node.to_string_lossy())
    }

    /// Path of the device and its number.
    pub fn node(&self) -> (String, u32, u32) {
        (format!("/dev/loop{}", self.number), MAJOR, self.number)
    }

    /// Binds a file to a free device; messages call it `name`.
    fn bind(file: OwnedFd, settings: Settings, lock: bool, name: &str) -> Result<Self, Failure> {
        let control = OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/loop-control");
        let no_loop = |error| {
            Failure::new(
                ErrorCode::Unsupported,
                "/dev/loop-control",
                format!("no loop devices here ({error}): run as root, on a machine that has them"),
            )
        };
        let control = control.map_err(no_loop)?;
        for attempt in 0..ATTEMPTS {
            let number = loop_device::get_free(&control)
                .about("/dev/loop-control", "find a free loop device")?;
            let mut nodes = Vec::new();
            if let Some(device) = open_node(number, settings.read_only, &mut nodes)?
                && try_configure(&device, &file, settings, (lock, name))?
            {
                return Ok(Self {
                    number,
                    device,
                    partitions: Vec::new(),
                    file,
                    nodes,
                });
            }
            sleep(Duration::from_millis(u64::from(attempt.min(10))));
        }
        Err(Failure::new(
            ErrorCode::Busy,
            name,
            "no loop device stayed free; try again when fewer builds run",
        ))
    }

    /// Makes the partitions known: by the kernel when it can read the table, else by partx.
    fn scan(&mut self, session: &Session, read_only: bool) -> Result<(), Failure> {
        let disk = format!("loop{}", self.number);
        if partition_numbers(&disk).is_empty() {
            let path = Path::new("/dev").join(&disk);
            let file = self
                .device
                .try_clone()
                .about(&path, "copy a descriptor")?
                .into();
            let node = Node { file, path };
            let partx = Machine {
                session,
                devices: std::slice::from_ref(&node),
            };
            // A disk without a table is no failure; there is just nothing to find.
            partx.run("partx", &["--update", &node.path.to_string_lossy()], b"")?;
        }
        for number in partition_numbers(&disk) {
            let name = format!("{disk}p{number}");
            let node = node(&name, &sysfs(self.number).join(&name), &mut self.nodes)?;
            let opened = OpenOptions::new()
                .read(true)
                .write(!read_only)
                .open(&node)
                .about(&node, "open this partition")?;
            self.partitions.push((number, opened));
        }
        Ok(())
    }

    /// Writes back what was written, and frees the device.
    pub fn detach(&mut self) -> Result<(), Failure> {
        let (name, ..) = self.node();
        let sysfs = sysfs(self.number);
        let backing = backing_file(&sysfs);
        let bound = || backing.is_some() && backing_file(&sysfs) == backing;
        let mut written = Ok(());
        for (number, partition) in self.partitions.drain(..) {
            written = written.and(
                fsync(&partition).about(format!("{name}p{number}"), "write back this partition"),
            );
        }
        written = written.and(fsync(&self.device).about(&name, "write back this device"));
        let cleared = loop_device::clear(&self.device).about(&name, "detach");
        // The last user's close is what detaches.
        let closed = File::open("/dev/null")
            .map(|null| drop(std::mem::replace(&mut self.device, null)))
            .about(&name, "close");
        let start = Instant::now();
        while bound() && start.elapsed() < PATIENCE {
            sleep(Duration::from_millis(5));
        }
        if bound() {
            let detail = "the device is still in use by another program (udev, a mount); its data is written back";
            return Err(Failure::new(ErrorCode::Busy, name, detail));
        }
        for node in self.nodes.drain(..) {
            let _ = std::fs::remove_file(node);
        }
        // Only now everything that the device was given has reached the file.
        let synced = fsync(&self.file).about(&name, "write back the file behind this device");
        written.and(cleared).and(closed).and(synced)
    }
}

impl Resource for Device {
    fn release(mut self: Box<Self>, _: &Session) -> Result<(), Failure> {
        self.detach()
    }
}

/// Bytes of a logical block of a device, as the kernel says it.
fn block_size(device: &File) -> std::io::Result<u32> {
    let number = device.metadata()?.rdev();
    let (major, minor) = (major(number), minor(number));
    let path = format!("/sys/dev/block/{major}:{minor}/queue/logical_block_size");
    let text = std::fs::read_to_string(path)?;
    text.trim().parse().map_err(std::io::Error::other)
}

/// Binds the file; false when another process took the device meanwhile.
fn try_configure(
    device: &File,
    file: &OwnedFd,
    settings: Settings,
    (lock, name): (bool, &str),
) -> Result<bool, Failure> {
    if lock {
        match rustix::fs::flock(device, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => return Ok(false),
            locked => locked.about(name, "lock a loop device")?,
        }
    }
    match loop_device::configure(device, file.as_fd(), settings) {
        Err(Errno::BUSY | Errno::AGAIN) => Ok(false),
        configured => configured
            .about(name, "attach this file to a loop device")
            .map(|()| true),
    }
}

fn sysfs(number: u32) -> PathBuf {
    PathBuf::from(format!("/sys/block/loop{number}"))
}

/// Opens a loop device; none while the kernel still tears down what was attached before.
fn open_node(
    number: u32,
    read_only: bool,
    made: &mut Vec<PathBuf>,
) -> Result<Option<File>, Failure> {
    let node = node(&format!("loop{number}"), &sysfs(number), made)?;
    let file = match OpenOptions::new().read(true).write(!read_only).open(&node) {
        Err(error) if Errno::from_io_error(&error) == Some(Errno::NXIO) => return Ok(None),
        opened => opened.about(&node, "open this loop device")?,
    };
    if !file
        .metadata()
        .is_ok_and(|metadata| metadata.file_type().is_block_device())
    {
        return Err(invalid(node.to_string_lossy(), "this is no block device"));
    }
    Ok(Some(file))
}

/// Path of a device's node, which is made when the system has not done it (a static /dev).
fn node(name: &str, sysfs: &Path, made: &mut Vec<PathBuf>) -> Result<PathBuf, Failure> {
    let node = Path::new("/dev").join(name);
    if !node.exists() {
        let text = std::fs::read_to_string(sysfs.join("dev"))
            .about(&node, "learn the number of this device")?;
        let numbers = text
            .trim()
            .split_once(':')
            .and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
        let (major, minor) =
            numbers.ok_or_else(|| invalid(text.trim(), "this is no device number"))?;
        match mknodat(
            CWD,
            &node,
            FileType::BlockDevice,
            Mode::from_raw_mode(0o600),
            makedev(major, minor),
        ) {
            Err(Errno::EXIST) => {}
            result => {
                result.about(&node, "make the node of this device")?;
                made.push(node.clone());
            }
        }
    }
    Ok(node)
}

fn partition_numbers(disk: &str) -> Vec<u32> {
    let entries = std::fs::read_dir(Path::new("/sys/block").join(disk))
        .into_iter()
        .flatten()
        .flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut numbers: Vec<u32> = names
        .filter_map(|name| name.strip_prefix(disk)?.strip_prefix('p')?.parse().ok())
        .collect();
    numbers.sort_unstable();
    numbers
}
