//! What a stage with programs does beyond the contents of files, found by comparing what is there before and after it.
use super::written::Moment;
use crate::sandbox::{DEVICES, Sandbox};
use osbuild_wasm_capability::record::{ChangeRecord, DeviceRecord, ObjectRecord};
use osbuild_wasm_capability::{Access, Grant, Root, shown};
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, ResolveFlags, Stat, lgetxattr, lgetxattr_query,
    llistxattr, llistxattr_query, openat2, readlinkat, statat,
};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// `stat` of block devices counts these, whatever the device's own sectors are (block/stat.rst of the kernel).
const SECTOR: u64 = 512;
/// Bytes of an attribute that a record shows.
const SHOWN: usize = 64;

/// Directories are listed as they are: a link among their names is an object, never a way.
const STRAIGHT: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS);

/// What is remembered of the moment before a component runs.
pub(crate) struct Before {
    pub(super) moment: Moment,
    /// What is below the writable directories; none where no program can run.
    objects: Option<Objects>,
    /// Sectors written so far, by the manifest's name of the device.
    devices: BTreeMap<String, u64>,
    /// Names of devices by their path of the contract.
    names: BTreeMap<String, String>,
}

/// Objects by their path of the contract.
type Objects = BTreeMap<String, ObjectRecord>;

impl Before {
    /// Looks at everything that the grant lets helpers and programs write.
    pub(crate) fn look(grant: &Grant, sandbox: &Sandbox) -> Self {
        let scratch = &sandbox.scratch;
        let replies = sandbox.device_replies.iter();
        let names = replies.filter_map(|(name, reply)| {
            let path = reply.get("path")?.as_str()?.to_owned();
            Some((path, format!("{DEVICES}/{name}")))
        });
        let names = names.collect();
        let has_programs = grant.interfaces.iter().any(|named| named.needs_helper());
        Self {
            // What programs write is found by its time, which must not be that of the stage before.
            moment: match has_programs {
                true => Moment::next(scratch),
                false => Moment::last_change(scratch),
            },
            objects: has_programs.then(|| objects(&grant.roots)),
            devices: devices(&grant.roots, &names),
            names,
        }
    }

    /// Looks at a mount that was just made; `directory` is one of ours.
    pub(super) fn of_mount(mount: &Root, directory: &Path) -> Self {
        Self {
            moment: Moment::next(directory),
            objects: Some(objects(std::slice::from_ref(mount))),
            devices: BTreeMap::new(),
            names: BTreeMap::new(),
        }
    }

    /// What is different now.
    pub(super) fn changes(&self, roots: &[Root]) -> Vec<ChangeRecord> {
        let Some(before) = &self.objects else {
            return Vec::new();
        };
        let mut after = objects(roots);
        let mut changes = Vec::new();
        for (path, object) in before {
            let now = after.remove(path);
            if now.as_ref() != Some(object) {
                changes.push(change(path, Some(object.clone()), now));
            }
        }
        let new = after.into_iter();
        changes.extend(new.map(|(path, object)| change(&path, None, Some(object))));
        changes.sort_by(|one, other| one.path.cmp(&other.path));
        changes
    }

    /// The devices that more was written to since.
    pub(super) fn devices_written(&self, roots: &[Root]) -> Vec<DeviceRecord> {
        let now = devices(roots, &self.names).into_iter();
        let written = now.filter_map(|(path, sectors)| {
            let before = self.devices.get(&path).copied().unwrap_or_default();
            let written = sectors.checked_sub(before).filter(|more| *more > 0)?;
            Some(DeviceRecord {
                path: shown(&path),
                written: written * SECTOR,
            })
        });
        written.collect()
    }
}

fn change(path: &str, before: Option<ObjectRecord>, after: Option<ObjectRecord>) -> ChangeRecord {
    ChangeRecord {
        path: shown(path),
        before,
        after,
    }
}

/// Everything below the writable directories, and these themselves.
fn objects(roots: &[Root]) -> Objects {
    let mut found = Objects::new();
    for root in roots.iter().filter(|root| root.access == Access::Write) {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        if let Ok(top) = rustix::fs::open(&root.host, flags, Mode::empty()) {
            list(&top, root.contract.trim_end_matches('/'), &mut found);
        }
    }
    found
}

/// Lists a directory and all below it. What cannot be looked at is left out, both times alike.
fn list(top: &OwnedFd, contract: &str, found: &mut Objects) {
    if let Ok(stat) = statat(top, "", AtFlags::EMPTY_PATH) {
        found.insert(contract.to_owned(), object(&stat));
    }
    let mut todo = vec![PathBuf::from(".")];
    while let Some(below) = todo.pop() {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let Ok(directory) = openat2(top, &below, flags, Mode::empty(), STRAIGHT) else {
            continue;
        };
        let Ok(entries) = Dir::read_from(&directory) else {
            continue;
        };
        for entry in entries.flatten() {
            let name = Path::new(std::ffi::OsStr::from_bytes(entry.file_name().to_bytes()));
            if [Path::new("."), Path::new("..")].contains(&name) {
                continue;
            }
            let Some(object) = look_at(&directory, name) else {
                continue;
            };
            let path = below.join(name);
            let place = path.strip_prefix(".").unwrap_or(&path).display();
            let is_directory = object.kind == "directory";
            found.insert(format!("{contract}/{place}"), object);
            if is_directory {
                todo.push(path);
            }
        }
    }
}

fn look_at(directory: &OwnedFd, name: &Path) -> Option<ObjectRecord> {
    let stat = statat(directory, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    let mut object = object(&stat);
    if object.kind == "link" {
        let target = readlinkat(directory, name, Vec::new()).ok()?;
        object.target = Some(target.to_string_lossy().into_owned());
    }
    let directory = format!("/proc/self/fd/{}", directory.as_raw_fd());
    object.xattrs = attributes(&Path::new(&directory).join(name));
    Some(object)
}

fn object(stat: &Stat) -> ObjectRecord {
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => "directory",
        FileType::Symlink => "link",
        FileType::CharacterDevice => "character-device",
        FileType::BlockDevice => "block-device",
        FileType::Fifo => "fifo",
        FileType::Socket => "socket",
        _ => "file",
    };
    let (major, minor) = (
        rustix::fs::major(stat.st_rdev),
        rustix::fs::minor(stat.st_rdev),
    );
    ObjectRecord {
        kind: kind.into(),
        mode: format!("{:03o}", stat.st_mode & 0o7777),
        owner: format!("{}:{}", stat.st_uid, stat.st_gid),
        device: kind
            .ends_with("-device")
            .then(|| format!("{major}:{minor}")),
        ..ObjectRecord::default()
    }
}

fn attributes(path: &Path) -> BTreeMap<String, String> {
    let size = llistxattr_query(path);
    let names = read_sized(size, |buffer| llistxattr(path, buffer));
    let names = names.split(|byte| *byte == 0);
    let mut attributes = BTreeMap::new();
    for name in names.filter(|name| !name.is_empty()) {
        let size = lgetxattr_query(path, name);
        let value = read_sized(size, |buffer| lgetxattr(path, name, buffer));
        let text = match value.len() > SHOWN {
            true => format!("sha256:{}", hex::encode(Sha256::digest(&value))),
            false => hex::encode(&value),
        };
        attributes.insert(String::from_utf8_lossy(name).into_owned(), text);
    }
    attributes
}

/// What a call writes into a buffer of the size that was asked for before; nothing where it fails.
fn read_sized(
    size: rustix::io::Result<usize>,
    mut call: impl FnMut(&mut [u8]) -> rustix::io::Result<usize>,
) -> Vec<u8> {
    let mut bytes = vec![0; size.unwrap_or(0)];
    let written = match bytes.len() {
        0 => 0,
        _ => call(&mut bytes).unwrap_or(0),
    };
    bytes.truncate(written);
    bytes
}

/// Sectors written to each block device that was granted, as the kernel counts them.
fn devices(roots: &[Root], names: &BTreeMap<String, String>) -> BTreeMap<String, u64> {
    let written = |root: &Root| {
        let stat = statat(CWD, &root.host, AtFlags::empty()).ok()?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::BlockDevice {
            return None;
        }
        let (major, minor) = (
            rustix::fs::major(stat.st_rdev),
            rustix::fs::minor(stat.st_rdev),
        );
        let counts = std::fs::read_to_string(format!("/sys/dev/block/{major}:{minor}/stat"));
        let sectors = counts.ok()?.split_ascii_whitespace().nth(6)?.parse().ok()?;
        let name = names.get(&root.contract).unwrap_or(&root.contract);
        Some((name.clone(), sectors))
    };
    roots.iter().filter_map(written).collect()
}
