//! What an object takes along when it gets another name, beside content and permission bits.

use crate::FilesError;
use crate::copy::read_xattr;
use crate::dirs::{Found, handle, proc_path, walk};
use crate::error::At;
use rustix::fs::{FileType, Stat};
use rustix::process::{getegid, geteuid};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::sync::LazyLock;

/// Bits of a mode by which a program runs as its owner or group, and files get the group of their directory.
pub const SET_ID: u32 = 0o6000;

/// What an object, or anything below a directory, has that a new one would not have.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Carried {
    /// Set-id bits.
    pub mode: bool,
    /// An owner or group that is not of this process.
    pub owner: bool,
    /// Extended attributes.
    pub attributes: bool,
    /// A device node, fifo or socket.
    pub node: bool,
    /// A file with further names.
    pub linked: bool,
}

impl Carried {
    /// Of one object, open or an `O_PATH` handle.
    ///
    /// # Errors
    /// Its attributes cannot be listed.
    pub fn of(object: BorrowedFd<'_>, stat: &Stat) -> Result<Self, FilesError> {
        let path = proc_path(object);
        let attributes = read_xattr(|buffer| rustix::fs::listxattr(&path, buffer))
            .at("list the attributes of", &path)?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        let own = (geteuid().as_raw(), getegid().as_raw());
        Ok(Self {
            mode: kind != FileType::Symlink && stat.st_mode & SET_ID != 0,
            owner: (stat.st_uid, stat.st_gid) != own,
            attributes: attributes.is_some_and(|names| names.split(|byte| *byte == 0).any(is_set)),
            node: !matches!(
                kind,
                FileType::RegularFile | FileType::Directory | FileType::Symlink
            ),
            linked: kind != FileType::Directory && stat.st_nlink > 1,
        })
    }

    /// Of everything below a directory, and the directory itself.
    ///
    /// # Errors
    /// Something below it cannot be examined.
    pub fn below(directory: BorrowedFd<'_>) -> Result<Self, FilesError> {
        let mut all = Self::default();
        walk(&proc_path(directory).join("."), &mut |found| {
            all.add(Self::found(found)?);
            Ok(())
        })?;
        Ok(all)
    }

    fn found(found: &Found<'_>) -> Result<Self, FilesError> {
        let object = handle(found.dir, found.name).at("open", found.path)?;
        let stat = rustix::fs::fstat(&object).at("examine", found.path)?;
        Self::of(object.as_fd(), &stat).map_err(|error| error.of(found.path))
    }

    fn add(&mut self, other: Self) {
        self.mode |= other.mode;
        self.owner |= other.owner;
        self.attributes |= other.attributes;
        self.node |= other.node;
        self.linked |= other.linked;
    }
}

/// Whether an attribute of that name was set on purpose: a kernel with SELinux gives every new file a label itself.
pub(crate) fn is_set(name: &[u8]) -> bool {
    static LABELS: LazyLock<bool> = LazyLock::new(|| Path::new("/sys/fs/selinux/enforce").exists());
    !name.is_empty() && (name != b"security.selinux" || !*LABELS)
}

impl FilesError {
    /// The same about the path that a caller knows.
    fn of(self, path: &Path) -> Self {
        match self {
            Self::Io { action, source, .. } => Self::Io {
                action,
                path: path.to_owned(),
                source,
            },
            other => other,
        }
    }
}
