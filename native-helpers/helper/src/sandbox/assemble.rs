//! The file system of a sandbox, put together in a mount namespace of its own.
//!
//! Everything is mounted by descriptor: what the helper has opened and checked is what the program sees, whatever happens to names
//! meanwhile.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

use osbuild_wasm_protocol::Failure;
use osbuild_wasm_sys::mount::{set_attributes, set_own_attributes};
use osbuild_wasm_sys::namespace;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, fstat, mkdirat, openat, statat, symlinkat};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags,
    fsconfig_create, fsconfig_set_string, fsmount, fsopen, move_mount, open_tree, unmount,
};

use super::spec::{Place, Position, Spec, What};
use crate::access::descriptor_path;
use crate::failure::{About, invalid};
use crate::processes::INODE;

/// Devices of every /dev.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// Links of every /dev, after their text.
const DEVICE_LINKS: [(&str, &str); 5] = [
    ("/proc/self/fd", "fd"),
    ("/proc/self/fd/0", "stdin"),
    ("/proc/self/fd/1", "stdout"),
    ("/proc/self/fd/2", "stderr"),
    ("pts/ptmx", "ptmx"),
];

/// What /proc says of the machine rather than of the processes of a sandbox, and does not keep from user 0 by itself.
const HIDDEN: [&str; 12] = [
    "acpi",
    "kcore",
    "keys",
    "kpagecgroup",
    "kpagecount",
    "kpageflags",
    "latency_stats",
    "sched_debug",
    "scsi",
    "slabinfo",
    "timer_list",
    "vmallocinfo",
];

/// What programs need of /sys: block devices that are made here (those of disks of the machine lead nowhere), what file systems and the
/// machine's processors offer. Nothing is mounted below any of them.
const SYS: [&str; 8] = [
    "block",
    "class/block",
    "dev/block",
    "devices/system/cpu",
    "devices/virtual/block",
    "fs/btrfs/features",
    "fs/ext4/features",
    "kernel/mm/transparent_hugepage",
];

/// Terminals that a sandbox can have at once: the machine has a few thousand for all.
const TERMINALS: &str = "64";

/// What every mount of a sandbox is.
const SEALED: MountAttrFlags =
    MountAttrFlags::MOUNT_ATTR_NOSUID.union(MountAttrFlags::MOUNT_ATTR_NODEV);
const READ_ONLY: MountAttrFlags = SEALED.union(MountAttrFlags::MOUNT_ATTR_RDONLY);
/// A device can be opened for writing here too, but its node, which is the machine's, cannot be changed.
const DEVICE: MountAttrFlags =
    MountAttrFlags::MOUNT_ATTR_NOSUID.union(MountAttrFlags::MOUNT_ATTR_RDONLY);

/// Bytes of a directory in memory that has hardly more than links and what others are mounted on.
const SMALL: u64 = 16 << 20;

/// A copy of a mount that is attached nowhere yet.
pub type Copy = OwnedFd;

/// What a place needs of the machine, taken before this process has mounts of its own: from there it could not be copied.
enum Taken {
    Nothing,
    Mount(Copy),
    Devices(Vec<(&'static str, Copy)>),
    Sys(Vec<(&'static str, Copy)>),
    Proc { cmdline: Copy, masks: Vec<Copy> },
}

/// Moves this process into namespaces of its own and makes what the specification describes its root directory.
pub fn enter(spec: &Spec, files: &[OwnedFd]) -> Result<(), Failure> {
    let root = spec
        .root
        .map(|root| {
            let attributes = if spec.root_is_read_only {
                READ_ONLY
            } else {
                SEALED
            };
            copy(file(files, root)?, attributes)
        })
        .transpose()?;
    let taken = spec
        .places
        .iter()
        .map(|place| take(place, files))
        .collect::<Result<Vec<_>, _>>()?;
    namespace::private_mounts().about("/", "make a mount namespace")?;
    namespace::private_names().about("/", "make namespaces of names")?;
    let size = spec.bounds.in_memory;
    if let Some(size) = size {
        limit_shared_memory(size);
    }
    // Beside what is mounted in it there is next to nothing.
    let small = size.map(|size| size.min(SMALL));
    let root = match root {
        Some(root) => root,
        None => memory(0o755, small).about("/", "make a root directory")?,
    };
    attach(&root, &open(Path::new("/"))?).about("/", "mount a root directory")?;
    let mut frames = Vec::new();
    for (place, taken) in spec.places.iter().zip(taken) {
        match put(&root, place, taken, size) {
            Err(_) if place.optional => {}
            done => frames.extend(done?),
        }
    }
    for frame in &frames {
        set_own_attributes(frame, READ_ONLY).about("", "close a directory")?;
    }
    rustix::process::fchdir(&root).about("/", "enter the root directory")?;
    rustix::process::pivot_root(".", ".").about("/", "change the root directory")?;
    unmount(".", UnmountFlags::DETACH).about("/", "leave the root directory of the machine")?;
    rustix::process::chdir("/").about("/", "enter the root directory")
}

fn file(files: &[OwnedFd], position: Position) -> Result<&OwnedFd, Failure> {
    files
        .get(position)
        .ok_or_else(|| invalid("", "a descriptor of the sandbox is missing"))
}

fn take(place: &Place, files: &[OwnedFd]) -> Result<Taken, Failure> {
    Ok(match &place.what {
        What::Memory(_) | What::Frame | What::Link(_) => Taken::Nothing,
        What::File {
            file: position,
            access,
        } => {
            let attributes = match access {
                super::spec::Access::Device => DEVICE,
                super::spec::Access::Read => READ_ONLY,
                super::spec::Access::Write => SEALED,
            };
            Taken::Mount(copy(file(files, *position)?, attributes)?)
        }
        What::Sys => Taken::Sys(sys()?),
        What::Dev => Taken::Devices(devices()?),
        What::Proc { cmdline } => {
            let null = open(Path::new("/dev/null"))?;
            Taken::Proc {
                cmdline: copy(file(files, *cmdline)?, READ_ONLY)?,
                masks: HIDDEN
                    .iter()
                    .map(|_| copy(&null, READ_ONLY))
                    .collect::<Result<_, _>>()?,
            }
        }
    })
}

fn open(path: &Path) -> Result<OwnedFd, Failure> {
    rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).about(path, "open")
}

/// The mount that a file or directory is on, seen from there, with all that is mounted below, and with these attributes.
fn copy(file: &OwnedFd, attributes: MountAttrFlags) -> Result<Copy, Failure> {
    copy_with(file, OpenTreeFlags::AT_RECURSIVE, attributes).about("", "copy a mount")
}

/// Opens a file for reading in a way that no program which gets it can make into another: by the kernel's link to it it could be opened
/// again, for writing, if it were not on a read-only mount of its own.
pub fn reading(file: &OwnedFd, name: &str) -> Result<OwnedFd, Failure> {
    let alone = copy_with(file, OpenTreeFlags::empty(), READ_ONLY).about(name, "copy its mount")?;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    rustix::fs::open(descriptor_path(&alone), flags, Mode::empty()).about(name, "open")
}

/// What a program mounted at a path of its sandbox, with all that is mounted below it, attached nowhere: no devices and no set-id
/// programs in it.
pub fn mounted(path: &Path) -> Result<Copy, Failure> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let root = rustix::fs::open(path, flags, Mode::empty()).about(path, "open what was mounted")?;
    copy(&root, SEALED)
}

fn copy_with(
    file: &OwnedFd,
    how: OpenTreeFlags,
    attributes: MountAttrFlags,
) -> rustix::io::Result<Copy> {
    let flags = how
        | OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH;
    let copy = open_tree(file, "", flags)?;
    set_attributes(&copy, attributes, MountAttrFlags::empty())?;
    Ok(copy)
}

fn sys() -> Result<Vec<(&'static str, Copy)>, Failure> {
    let there = SYS.map(|path| (path, Path::new("/sys").join(path)));
    let there = there.into_iter().filter(|(_, path)| path.is_dir());
    there
        .map(|(name, path)| Ok((name, copy(&open(&path)?, READ_ONLY)?)))
        .collect()
}

fn devices() -> Result<Vec<(&'static str, Copy)>, Failure> {
    let there = DEVICES
        .into_iter()
        .filter(|name| Path::new("/dev").join(name).exists());
    there
        .map(|name| Ok((name, copy(&open(&Path::new("/dev").join(name))?, DEVICE)?)))
        .collect()
}

/// A new file system of this kind, attached nowhere yet.
fn make(
    kind: &str,
    options: &[(&str, &str)],
    attributes: MountAttrFlags,
) -> rustix::io::Result<OwnedFd> {
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (name, value) in options {
        fsconfig_set_string(&context, *name, *value)?;
    }
    fsconfig_create(&context)?;
    fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

/// An empty directory in memory, of so many bytes at most, and of no more for names and attributes.
fn memory(mode: u32, size: Option<u64>) -> rustix::io::Result<OwnedFd> {
    let files = size.map(|size| (size / INODE).max(1).to_string());
    let (mode, size) = (format!("{mode:o}"), size.map(|size| size.to_string()));
    let size = size.as_deref().map(|size| ("size", size));
    let files = files.as_deref().map(|files| ("nr_inodes", files));
    let options = [("mode", &*mode)].into_iter().chain(size).chain(files);
    let options: Vec<_> = options.collect();
    make("tmpfs", &options, SEALED)
}

/// Limits what there can be of shared memory, semaphores and queues that belong to no process, in the namespace of such names that this
/// process is in. Old kernels let only the machine's root do this.
fn limit_shared_memory(bytes: u64) {
    let pages = bytes / rustix::param::page_size() as u64;
    for (setting, value) in [
        ("shmall", &*pages.to_string()),
        // Semaphores of a set, of all sets, changed by one call; sets.
        ("sem", "250 32000 32 128"),
        ("msgmni", "128"),
    ] {
        let _ = std::fs::write(Path::new("/proc/sys/kernel").join(setting), value);
    }
}

fn attach(mount: &OwnedFd, target: &OwnedFd) -> rustix::io::Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(mount, "", target, "", flags)
}

/// Puts something at its place; of a frame what is to be closed when all is in it.
fn put(
    root: &OwnedFd,
    place: &Place,
    taken: Taken,
    size: Option<u64>,
) -> Result<Option<OwnedFd>, Failure> {
    let target = Path::new(OsStr::from_bytes(&place.target.0));
    let framed = |frame: OwnedFd| attach_at(root, &frame, target).map(|()| frame);
    if matches!(place.what, What::Frame) {
        let frame = memory(0o755, size.map(|size| size.min(SMALL))).and_then(framed);
        return frame.map(Some).about(target, "show this in the sandbox");
    }
    match (&place.what, taken) {
        (What::Link(text), _) => link(root, text, target),
        (What::Memory(mode), _) => {
            memory(*mode, size).and_then(|memory| attach_at(root, &memory, target))
        }
        (_, Taken::Mount(mount)) => attach_at(root, &mount, target),
        (_, Taken::Devices(devices)) => put_dev(root, target, devices, size),
        (_, Taken::Sys(parts)) => put_sys(root, target, parts),
        (_, Taken::Proc { cmdline, masks }) => put_proc(root, target, &cmdline, masks),
        (_, Taken::Nothing) => Ok(()),
    }
    .map(|()| None)
    .about(target, "show this in the sandbox")
}

fn link(root: &OwnedFd, text: &str, target: &Path) -> rustix::io::Result<()> {
    let directory = directory(root, target.parent().unwrap_or(target))?;
    symlinkat(text, &directory, target.file_name().unwrap_or_default())
}

/// Attaches a mount at a path: over a directory or a file, as the root of the mount is one.
fn attach_at(root: &OwnedFd, mount: &OwnedFd, target: &Path) -> rustix::io::Result<()> {
    let at = match FileType::from_raw_mode(fstat(mount)?.st_mode) {
        FileType::Directory => directory(root, target)?,
        _ => regular(root, target)?,
    };
    attach(mount, &at)
}

fn put_dev(
    root: &OwnedFd,
    target: &Path,
    devices: Vec<(&'static str, Copy)>,
    size: Option<u64>,
) -> rustix::io::Result<()> {
    let dev = memory(0o755, size.map(|size| size.min(SMALL)))?;
    attach_at(root, &dev, target)?;
    for (name, device) in &devices {
        attach_at(&dev, device, Path::new(name))?;
    }
    for (text, name) in DEVICE_LINKS {
        symlinkat(text, &dev, name)?;
    }
    attach_at(&dev, &memory(0o1777, size)?, Path::new("shm"))?;
    let options = [("ptmxmode", "0666"), ("mode", "0620"), ("max", TERMINALS)];
    let terminals = make("devpts", &options, MountAttrFlags::MOUNT_ATTR_NOSUID)?;
    attach_at(&dev, &terminals, Path::new("pts"))
}

fn put_sys(
    root: &OwnedFd,
    target: &Path,
    parts: Vec<(&'static str, Copy)>,
) -> rustix::io::Result<()> {
    let sys = memory(0o755, Some(SMALL))?;
    attach_at(root, &sys, target)?;
    for (name, part) in &parts {
        attach_at(&sys, part, Path::new(name))?;
    }
    set_attributes(&sys, READ_ONLY, MountAttrFlags::empty())
}

fn put_proc(
    root: &OwnedFd,
    target: &Path,
    cmdline: &Copy,
    masks: Vec<Copy>,
) -> rustix::io::Result<()> {
    let proc = make("proc", &[], READ_ONLY | MountAttrFlags::MOUNT_ATTR_NOEXEC)?;
    attach_at(root, &proc, target)?;
    for (name, mask) in HIDDEN.into_iter().zip(masks) {
        match statat(&proc, name, AtFlags::SYMLINK_NOFOLLOW)
            .map(|stat| FileType::from_raw_mode(stat.st_mode))
        {
            Err(_) => {}
            Ok(FileType::Directory) => {
                let empty = make("tmpfs", &[("mode", "0555")], READ_ONLY)?;
                attach_at(&proc, &empty, Path::new(name))?;
            }
            Ok(_) => attach_at(&proc, &mask, Path::new(name))?,
        }
    }
    attach_at(&proc, cmdline, Path::new("cmdline"))
}

/// Opens a directory, and makes what is missing of it; a symbolic link on the way is an error.
fn directory(root: &OwnedFd, path: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut here = openat(root, ".", flags, Mode::empty())?;
    for part in path.components() {
        let Component::Normal(name) = part else {
            continue;
        };
        here = match openat(&here, name, flags, Mode::empty()) {
            Err(Errno::NOENT) => {
                mkdirat(&here, name, Mode::from_raw_mode(0o755))?;
                openat(&here, name, flags, Mode::empty())?
            }
            opened => opened?,
        };
    }
    Ok(here)
}

/// Opens a file to be mounted over, and makes it when it is missing.
fn regular(root: &OwnedFd, path: &Path) -> rustix::io::Result<OwnedFd> {
    let directory = directory(root, path.parent().unwrap_or(path))?;
    let name = path.file_name().unwrap_or_default();
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match openat(&directory, name, flags, Mode::empty()) {
        Err(Errno::NOENT) => {
            let new = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
            openat(&directory, name, new, Mode::from_raw_mode(0o644))?;
            openat(&directory, name, flags, Mode::empty())
        }
        opened => opened,
    }
}
