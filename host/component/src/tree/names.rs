//! Verbs on names: directories, links, metadata, attributes, copies.
use super::errors::{explained, files_error, from_errno, invalid};
use super::gate::Permit;
use super::objects::set_mode;
use super::roots::{Roots, Slot, link_of};
use super::{OpenFile, Passed, Result};
use crate::ErrorCode;
use crate::bindings::tree::{Entry, FileType as Kind, Metadata, OpenMode, Timestamp};
use osbuild_wasm_capability::{Coverage, Verb};
use osbuild_wasm_files::{name_from_text, name_to_text, remove_entry, remove_tree};
use rustix::fd::OwnedFd;
use rustix::fs::{
    AtFlags, Dir, FileType, Gid, IFlags, Mode, OFlags, Stat, Timespec, Timestamps, Uid, XattrFlags,
    chownat, fstat, ioctl_getflags, ioctl_setflags, mknodat, openat, renameat, unlinkat, utimensat,
};
use rustix::io::{Errno, fcntl_dupfd_cloexec};

/// Why an owner cannot be given.
const NO_SUCH_ID: &str = "the build has no such id: an ordinary user has those of /etc/subuid and /etc/subgid, root of a container those of the container";

/// Why a device node cannot be made.
const NO_DEVICES: &str = "device nodes are made by root of the machine only: build it as root";

/// Bytes of the largest extended attribute (XATTR_SIZE_MAX of the kernel).
const XATTR_LIMIT: usize = 64 << 10;

/// The bits of a mode by which a program runs as another user.
const SET_ID: u32 = 0o6000;

impl Roots {
    pub(super) fn replace(&self, path: &str, bytes: &[u8], mode: u32) -> Result<()> {
        let located = self.locate(path)?;
        located.writable()?;
        let slot = located.slot()?;
        let mut permits = slot.permit_placing(Coverage::Path)?;
        permits.extend(slot.permit_set_id(mode)?);
        let failed = |errno| from_errno(path, errno);
        let (temporary, file) = slot.made(|slot| new_beside(slot, mode))?;
        let handle =
            fstat(&file).and_then(|made| Ok((made.st_mode, fcntl_dupfd_cloexec(&file, 0)?)));
        let file = OpenFile::new(file, path, false, self.quota.clone());
        let placed = handle.map_err(failed).and_then(|(mode, handle)| {
            file.write(0, bytes)?;
            // In a user namespace the kernel takes set-id bits away when something is written.
            if mode & SET_ID != 0 {
                set_mode(&handle, mode).map_err(failed)?;
            }
            renameat(&slot.parent, &temporary, &slot.parent, &*slot.file_name()).map_err(failed)
        });
        if placed.is_err() {
            _ = unlinkat(&slot.parent, &temporary, AtFlags::empty());
        } else {
            permits.into_iter().for_each(Permit::done);
        }
        placed
    }

    pub(super) fn read_directory(&self, path: &str) -> Result<Vec<Entry>> {
        let failed = |errno| from_errno(path, errno);
        let directory = self.locate(path)?.look(true, |handle| {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            openat(handle, ".", flags, Mode::empty())
        })?;
        let mut entries = Vec::new();
        let mut room = self.quota.limits().memory;
        for entry in Dir::read_from(directory).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            room = room
                .checked_sub(entry.file_name().count_bytes() + size_of::<Entry>())
                .ok_or_else(|| self.quota.too_large(path))?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                entries.push(Entry {
                    name: name_to_text(name),
                    kind: kind_of(entry.file_type()),
                });
            }
        }
        entries.sort_by_cached_key(|entry| name_from_text(&entry.name).into_owned());
        Ok(entries)
    }

    pub(super) fn create_directory(&self, path: &str, mode: u32) -> Result<()> {
        self.locate(path)?.create_directory(mode)
    }

    pub(super) fn stat(&self, path: &str, follow: bool) -> Result<Metadata> {
        let located = self.locate(path)?;
        let metadata = metadata_of(&located.examine(follow)?);
        if metadata.kind == Kind::BlockDevice && located.rest == "." {
            return self.open(path, OpenMode::Read, 0)?.stat();
        }
        Ok(metadata)
    }

    pub(super) fn read_link(&self, path: &str) -> Result<String> {
        self.locate(path)?.read_link()
    }

    pub(super) fn symbolic_link(&self, text: &str, path: &str) -> Result<()> {
        self.locate(path)?.symbolic_link(text)
    }

    pub(super) fn hard_link(&self, existing: &str, path: &str) -> Result<()> {
        self.locate(existing)?.hard_link(self.locate(path)?)
    }

    pub(super) fn rename(&self, path: &str, to: &str) -> Result<()> {
        self.locate(path)?.rename(self.locate(to)?)
    }

    pub(super) fn remove(&self, path: &str) -> Result<()> {
        match self.locate(path)?.remove_entry(false) {
            Err(error) if error.code == ErrorCode::IsADirectory => {
                self.locate(path)?.remove_entry(true)
            }
            other => other,
        }
    }

    pub(super) fn remove_all(&self, path: &str) -> Result<()> {
        let located = self.locate(path)?;
        located.writable()?;
        let slot = match located.slot() {
            Err(error) if error.code == ErrorCode::NotFound => {
                return Ok(());
            }
            other => other?,
        };
        let object = match slot.object() {
            Err(error) if error.code == ErrorCode::NotFound => return Ok(()),
            other => other?,
        };
        let permit = slot.permit_reaching(Verb::Remove, object.reach())?;
        match object.is_directory() {
            true => remove_tree(&slot.path()),
            // Should it have become a directory, nothing below that was allowed to go.
            false => remove_entry(&slot.path()),
        }
        .map_err(|error| files_error(path, &error))?;
        permit.done();
        Ok(())
    }

    pub(super) fn set_mode(&self, path: &str, mode: u32) -> Result<()> {
        self.locate(path)?
            .change(true, Verb::Chmod, |handle| set_mode(handle, mode))
    }

    pub(super) fn set_owner(
        &self,
        path: &str,
        uid: Option<u32>,
        gid: Option<u32>,
        follow: bool,
    ) -> Result<()> {
        let (uid, gid) = (uid.map(Uid::from_raw), gid.map(Gid::from_raw));
        let changed = self.locate(path)?.change(follow, Verb::Chown, |handle| {
            chownat(handle, "", uid, gid, AtFlags::EMPTY_PATH)
        });
        changed.map_err(|error| explained(error, ErrorCode::Invalid, NO_SUCH_ID))
    }

    pub(super) fn set_modified(&self, path: &str, time: Timestamp, follow: bool) -> Result<()> {
        let time = Timespec {
            tv_sec: time.seconds,
            tv_nsec: time.nanoseconds.min(999_999_999).into(),
        };
        let times = Timestamps {
            last_access: time,
            last_modification: time,
        };
        self.locate(path)?.change(follow, Verb::Replace, |handle| {
            utimensat(handle, "", &times, AtFlags::EMPTY_PATH)
        })
    }

    pub(super) fn list_xattrs(&self, path: &str, follow: bool) -> Result<Vec<String>> {
        let mut names = vec![0; XATTR_LIMIT];
        let length = self.locate(path)?.look(follow, |handle| {
            match rustix::fs::listxattr(link_of(handle), &mut names[..]) {
                Err(Errno::NOTSUP) => Ok(0),
                other => other,
            }
        })?;
        names.truncate(length);
        Ok(names
            .split(|byte| *byte == 0)
            .filter(|name| !name.is_empty())
            .map(name_to_text)
            .collect())
    }

    pub(super) fn get_xattr(
        &self,
        path: &str,
        name: &str,
        follow: bool,
    ) -> Result<Option<Vec<u8>>> {
        let mut value = vec![0; XATTR_LIMIT];
        let length = self.locate(path)?.look(follow, |handle| {
            match rustix::fs::getxattr(link_of(handle), &*name_from_text(name), &mut value[..]) {
                Ok(length) => Ok(Some(length)),
                Err(Errno::NODATA | Errno::NOTSUP) => Ok(None),
                Err(errno) => Err(errno),
            }
        })?;
        Ok(length.map(|length| {
            value.truncate(length);
            value
        }))
    }

    /// `by_helper` does it to the same object where the kernel asks for a capability that the host does not have.
    pub(super) fn set_xattr(
        &self,
        path: &str,
        (name, value): (&str, &[u8]),
        follow: bool,
        by_helper: impl FnOnce(&Passed) -> Result<()>,
    ) -> Result<()> {
        self.quota.take_bytes(path, value.len() as u64)?;
        let privileged = name.starts_with("security.") || name.starts_with("trusted.");
        let failed = |errno| from_errno(path, errno);
        let located = self.locate(path)?;
        located.writable()?;
        let file = located.path_fd(follow).map_err(failed)?;
        let permit = located.permit(Verb::Xattr, &file)?;
        let attribute = name_from_text(name);
        match rustix::fs::setxattr(link_of(&file), &*attribute, value, XattrFlags::empty()) {
            Err(Errno::PERM | Errno::ACCESS) if privileged => {
                let path = located.place(&file)?;
                by_helper(&Passed { path, file })?;
            }
            set => set.map_err(failed)?,
        }
        permit.done();
        Ok(())
    }

    pub(super) fn remove_xattr(&self, path: &str, name: &str, follow: bool) -> Result<()> {
        self.locate(path)?.change(follow, Verb::Xattr, |handle| {
            rustix::fs::removexattr(link_of(handle), &*name_from_text(name))
        })
    }

    pub(super) fn create_node(
        &self,
        path: &str,
        kind: Kind,
        mode: u32,
        (major, minor): (u32, u32),
    ) -> Result<()> {
        let kind = match kind {
            Kind::Fifo => FileType::Fifo,
            Kind::Socket => FileType::Socket,
            Kind::CharacterDevice => FileType::CharacterDevice,
            Kind::BlockDevice => FileType::BlockDevice,
            Kind::Regular | Kind::Directory | Kind::SymbolicLink => {
                return Err(invalid(
                    path,
                    "only fifos, sockets and device nodes are made this way",
                ));
            }
        };
        let mode = Mode::from_raw_mode(mode & 0o7777);
        let device = rustix::fs::makedev(major, minor);
        let is_device = matches!(kind, FileType::CharacterDevice | FileType::BlockDevice);
        let made = self.locate(path)?.make(Verb::Node, |slot| {
            mknodat(&slot.parent, &*slot.file_name(), kind, mode, device)
        });
        made.map_err(|error| match is_device {
            true => explained(error, ErrorCode::NotPermitted, NO_DEVICES),
            false => error,
        })
    }

    pub(super) fn get_immutable(&self, path: &str) -> Result<bool> {
        let flags = self
            .locate(path)?
            .look(true, |handle| ioctl_getflags(for_flags(handle)?))?;
        Ok(flags.contains(IFlags::IMMUTABLE))
    }

    pub(super) fn set_immutable(&self, path: &str, immutable: bool) -> Result<()> {
        self.locate(path)?.change(true, Verb::Chmod, |handle| {
            let file = for_flags(handle)?;
            let mut flags = ioctl_getflags(&file)?;
            flags.set(IFlags::IMMUTABLE, immutable);
            ioctl_setflags(&file, flags)
        })
    }
}

/// A new file in the slot's directory, under a name of its own: nothing that is there is touched.
fn new_beside(slot: &Slot<'_>, mode: u32) -> rustix::io::Result<(String, OwnedFd)> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let mode = Mode::from_raw_mode(mode & 0o7777);
    for attempt in 0..u32::MAX {
        let name = format!(".osbuild-new{attempt}");
        match openat(&slot.parent, &name, flags, mode) {
            Err(Errno::EXIST) => {}
            made => return made.map(|file| (name, file)),
        }
    }
    Err(Errno::EXIST)
}

/// Inode flags need an open file or directory; nothing else has any.
fn for_flags(handle: &OwnedFd) -> rustix::io::Result<OwnedFd> {
    let kind = FileType::from_raw_mode(fstat(handle)?.st_mode);
    if !matches!(kind, FileType::RegularFile | FileType::Directory) {
        return Err(Errno::INVAL);
    }
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    rustix::fs::open(link_of(handle), flags, Mode::empty())
}

pub(super) fn is_directory(fd: &OwnedFd) -> bool {
    fstat(fd).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
}

fn kind_of(kind: FileType) -> Kind {
    match kind {
        FileType::Directory => Kind::Directory,
        FileType::Symlink => Kind::SymbolicLink,
        FileType::Fifo => Kind::Fifo,
        FileType::Socket => Kind::Socket,
        FileType::CharacterDevice => Kind::CharacterDevice,
        FileType::BlockDevice => Kind::BlockDevice,
        _ => Kind::Regular,
    }
}

pub(super) fn metadata_of(stat: &Stat) -> Metadata {
    let kind = kind_of(FileType::from_raw_mode(stat.st_mode));
    let node = match kind {
        Kind::CharacterDevice | Kind::BlockDevice => (
            rustix::fs::major(stat.st_rdev),
            rustix::fs::minor(stat.st_rdev),
        ),
        _ => (0, 0),
    };
    Metadata {
        kind,
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        size: u64::try_from(stat.st_size).unwrap_or(0),
        links: stat.st_nlink,
        device: stat.st_dev,
        inode: stat.st_ino,
        node,
        modified: Timestamp {
            seconds: stat.st_mtime,
            nanoseconds: u32::try_from(stat.st_mtime_nsec).unwrap_or(0),
        },
    }
}
