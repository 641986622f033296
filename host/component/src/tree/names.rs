//! Verbs on names: directories, links, metadata, attributes, copies.
use super::Result;
use super::errors::{failed, from_errno, invalid};
use super::roots::{Roots, Slot, link_of};
use crate::bindings::tree::{Entry, FileType as Kind, Metadata, OpenMode, Timestamp};
use osbuild_wasm_files::remove_tree;
use rustix::fs::{
    AtFlags, Dir, FileType, Gid, IFlags, Mode, OFlags, Stat, Timespec, Timestamps, Uid, XattrFlags,
    chownat, fstat, ioctl_getflags, ioctl_setflags, linkat, mkdirat, mknodat, readlinkat, renameat,
    symlinkat, unlinkat, utimensat,
};
use rustix::io::Errno;
use std::path::Path;

/// Bytes of the largest extended attribute (XATTR_SIZE_MAX of the kernel).
const XATTR_LIMIT: usize = 64 << 10;

impl Roots {
    pub(super) fn replace(&self, path: &str, bytes: &[u8], mode: u32) -> Result<()> {
        let located = self.locate(path)?;
        located.writable()?;
        let slot = located.slot()?;
        let temporary = format!(".{:.200}.osbuild-new", slot.name);
        let staged = path
            .trim_end_matches('/')
            .rsplit_once('/')
            .map_or(String::new(), |(up, _)| format!("{up}/{temporary}"));
        _ = unlinkat(&slot.parent, &temporary, AtFlags::empty());
        let written = self
            .open(&staged, OpenMode::CreateNew, mode)
            .and_then(|file| file.write(0, bytes));
        let placed = written.and_then(|()| {
            renameat(&slot.parent, &temporary, &slot.parent, slot.name)
                .map_err(|errno| from_errno(path, errno))
        });
        if placed.is_err() {
            _ = unlinkat(&slot.parent, &temporary, AtFlags::empty());
        }
        placed
    }

    pub(super) fn read_directory(&self, path: &str) -> Result<Vec<Entry>> {
        let located = self.locate(path)?;
        let failed = |errno| from_errno(path, errno);
        let handle = located.path_fd(true).map_err(failed)?;
        let directory = rustix::fs::openat(
            &handle,
            ".",
            OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        );
        let mut entries = Vec::new();
        for entry in Dir::read_from(directory.map_err(failed)?).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry
                .file_name()
                .to_str()
                .map_err(|_| invalid(path, "holds a name that is not UTF-8"))?;
            if name != "." && name != ".." {
                entries.push(Entry {
                    name: name.to_owned(),
                    kind: kind_of(entry.file_type()),
                });
            }
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    pub(super) fn create_directory(&self, path: &str, mode: u32) -> Result<()> {
        let slot = self.new_slot(path)?;
        mkdirat(&slot.parent, slot.name, Mode::from_raw_mode(mode & 0o777))
            .map_err(|errno| from_errno(path, errno))?;
        // mkdir(2) leaves set-id and sticky bits to the file system.
        if mode & 0o7000 != 0 {
            self.set_mode(path, mode)
        } else {
            Ok(())
        }
    }

    pub(super) fn stat(&self, path: &str, follow: bool) -> Result<Metadata> {
        let handle = self
            .locate(path)?
            .path_fd(follow)
            .map_err(|errno| from_errno(path, errno))?;
        let metadata = metadata_of(&fstat(&handle).map_err(|errno| from_errno(path, errno))?);
        if metadata.kind == Kind::BlockDevice && self.is_granted_device(path) {
            return self.open(path, OpenMode::Read, 0)?.stat();
        }
        Ok(metadata)
    }

    pub(super) fn read_link(&self, path: &str) -> Result<String> {
        let handle = self
            .locate(path)?
            .path_fd(false)
            .map_err(|errno| from_errno(path, errno))?;
        let text = readlinkat(&handle, "", Vec::new()).map_err(|errno| match errno {
            Errno::NOENT => from_errno(path, Errno::INVAL),
            other => from_errno(path, other),
        })?;
        text.into_string()
            .map_err(|_| invalid(path, "the link's text is not UTF-8"))
    }

    pub(super) fn symbolic_link(&self, text: &str, path: &str) -> Result<()> {
        let slot = self.new_slot(path)?;
        symlinkat(text, &slot.parent, slot.name).map_err(|errno| from_errno(path, errno))
    }

    pub(super) fn hard_link(&self, existing: &str, path: &str) -> Result<()> {
        let from = self.locate(existing)?;
        // Writing through the new name would change what was granted for reading only.
        from.writable()?;
        let from = from.slot()?;
        let slot = self.new_slot(path)?;
        linkat(
            &from.parent,
            from.name,
            &slot.parent,
            slot.name,
            AtFlags::empty(),
        )
        .map_err(|errno| from_errno(path, errno))
    }

    pub(super) fn rename(&self, path: &str, to: &str) -> Result<()> {
        let from = self.locate(path)?;
        from.writable()?;
        let target = self.locate(to)?;
        target.writable()?;
        if !from.same_root(&target) {
            return Err(from_errno(to, Errno::XDEV));
        }
        let (from, target) = (from.slot()?, target.slot()?);
        renameat(&from.parent, from.name, &target.parent, target.name)
            .map_err(|errno| from_errno(path, errno))
    }

    pub(super) fn remove(&self, path: &str) -> Result<()> {
        let located = self.locate(path)?;
        located.writable()?;
        let slot = located.slot()?;
        match unlinkat(&slot.parent, slot.name, AtFlags::empty()) {
            Err(Errno::ISDIR) => unlinkat(&slot.parent, slot.name, AtFlags::REMOVEDIR),
            other => other,
        }
        .map_err(|errno| from_errno(path, errno))
    }

    pub(super) fn remove_all(&self, path: &str) -> Result<()> {
        let located = self.locate(path)?;
        located.writable()?;
        let slot = match located.slot() {
            Err(error) if error.code == crate::bindings::types::ErrorCode::NotFound => {
                return Ok(());
            }
            other => other?,
        };
        let target = Path::new(&link_of(&slot.parent)).join(slot.name);
        remove_tree(&target).map_err(|error| failed(path, &error))
    }

    pub(super) fn set_mode(&self, path: &str, mode: u32) -> Result<()> {
        let handle = self.changeable(path, true)?;
        rustix::fs::chmod(link_of(&handle), Mode::from_raw_mode(mode & 0o7777))
            .map_err(|errno| from_errno(path, errno))
    }

    pub(super) fn set_owner(
        &self,
        path: &str,
        uid: Option<u32>,
        gid: Option<u32>,
        follow: bool,
    ) -> Result<()> {
        let handle = self.changeable(path, follow)?;
        let (uid, gid) = (uid.map(Uid::from_raw), gid.map(Gid::from_raw));
        chownat(&handle, "", uid, gid, AtFlags::EMPTY_PATH).map_err(|errno| from_errno(path, errno))
    }

    pub(super) fn set_modified(&self, path: &str, time: Timestamp, follow: bool) -> Result<()> {
        let handle = self.changeable(path, follow)?;
        let time = Timespec {
            tv_sec: time.seconds,
            tv_nsec: time.nanoseconds.min(999_999_999).into(),
        };
        let times = Timestamps {
            last_access: time,
            last_modification: time,
        };
        utimensat(&handle, "", &times, AtFlags::EMPTY_PATH).map_err(|errno| from_errno(path, errno))
    }

    pub(super) fn list_xattrs(&self, path: &str, follow: bool) -> Result<Vec<String>> {
        let handle = self
            .locate(path)?
            .path_fd(follow)
            .map_err(|errno| from_errno(path, errno))?;
        let mut names = vec![0; XATTR_LIMIT];
        match rustix::fs::listxattr(link_of(&handle), &mut names[..]) {
            Ok(length) => names.truncate(length),
            Err(Errno::NOTSUP) => names.clear(),
            Err(errno) => return Err(from_errno(path, errno)),
        }
        let text = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
        Ok(names
            .split(|byte| *byte == 0)
            .filter(|name| !name.is_empty())
            .map(text)
            .collect())
    }

    pub(super) fn get_xattr(
        &self,
        path: &str,
        name: &str,
        follow: bool,
    ) -> Result<Option<Vec<u8>>> {
        let handle = self
            .locate(path)?
            .path_fd(follow)
            .map_err(|errno| from_errno(path, errno))?;
        let mut value = vec![0; XATTR_LIMIT];
        match rustix::fs::getxattr(link_of(&handle), name, &mut value[..]) {
            Ok(length) => {
                value.truncate(length);
                Ok(Some(value))
            }
            Err(Errno::NODATA | Errno::NOTSUP) => Ok(None),
            Err(errno) => Err(from_errno(path, errno)),
        }
    }

    pub(super) fn set_xattr(
        &self,
        path: &str,
        name: &str,
        value: &[u8],
        follow: bool,
    ) -> Result<()> {
        let handle = self.changeable(path, follow)?;
        rustix::fs::setxattr(link_of(&handle), name, value, XattrFlags::empty())
            .map_err(|errno| from_errno(path, errno))
    }

    pub(super) fn remove_xattr(&self, path: &str, name: &str, follow: bool) -> Result<()> {
        let handle = self.changeable(path, follow)?;
        rustix::fs::removexattr(link_of(&handle), name).map_err(|errno| from_errno(path, errno))
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
        let slot = self.new_slot(path)?;
        let mode = Mode::from_raw_mode(mode & 0o7777);
        mknodat(
            &slot.parent,
            slot.name,
            kind,
            mode,
            rustix::fs::makedev(major, minor),
        )
        .map_err(|errno| from_errno(path, errno))
    }

    pub(super) fn get_immutable(&self, path: &str) -> Result<bool> {
        let flags =
            ioctl_getflags(self.for_flags(path)?).map_err(|errno| from_errno(path, errno))?;
        Ok(flags.contains(IFlags::IMMUTABLE))
    }

    pub(super) fn set_immutable(&self, path: &str, immutable: bool) -> Result<()> {
        self.locate(path)?.writable()?;
        let file = self.for_flags(path)?;
        let mut flags = ioctl_getflags(&file).map_err(|errno| from_errno(path, errno))?;
        flags.set(IFlags::IMMUTABLE, immutable);
        ioctl_setflags(&file, flags).map_err(|errno| from_errno(path, errno))
    }

    fn is_granted_device(&self, path: &str) -> bool {
        self.locate(path).is_ok_and(|located| located.rest == ".")
    }

    fn new_slot<'a>(&'a self, path: &'a str) -> Result<Slot<'a>> {
        let located = self.locate(path)?;
        located.writable()?;
        self.quota.take_inode(path)?;
        // The granted directory itself is there, whatever is to be made.
        if located.rest == "." {
            Err(from_errno(path, Errno::EXIST))
        } else {
            located.slot()
        }
    }

    fn changeable(&self, path: &str, follow: bool) -> Result<rustix::fd::OwnedFd> {
        let located = self.locate(path)?;
        located.writable()?;
        located
            .path_fd(follow)
            .map_err(|errno| from_errno(path, errno))
    }

    /// Inode flags need an open file or directory.
    fn for_flags(&self, path: &str) -> Result<rustix::fd::OwnedFd> {
        let handle = self
            .locate(path)?
            .path_fd(true)
            .map_err(|errno| from_errno(path, errno))?;
        let kind = FileType::from_raw_mode(
            fstat(&handle)
                .map_err(|errno| from_errno(path, errno))?
                .st_mode,
        );
        if !matches!(kind, FileType::RegularFile | FileType::Directory) {
            return Err(invalid(path, "only files and directories have inode flags"));
        }
        rustix::fs::open(
            link_of(&handle),
            OFlags::RDONLY | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .map_err(|errno| from_errno(path, errno))
    }
}

pub(super) fn is_directory(fd: &rustix::fd::OwnedFd) -> bool {
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
