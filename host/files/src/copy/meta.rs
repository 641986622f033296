//! Owner, mode, extended attributes and times of a copied entry, in the order in which they do not undo each other:
//! changing the owner drops set-id bits and file capabilities, everything but the times changes the times.

use super::{Copy, Overseer, Place, Property, XattrLoss};
use crate::FilesError;
use crate::carried::{SET_ID, is_set};
use crate::dirs::{handle, proc_path};
use crate::error::At;
use rustix::fs::{AtFlags, FileType, Mode, Stat, Timespec, Timestamps, XattrFlags};
use rustix::io::Errno;
use rustix::process::{Gid, Uid};
use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The kernel's own limit for a value and for a list of names (XATTR_SIZE_MAX, XATTR_LIST_MAX).
const XATTR_MAX: usize = 64 * 1024;

/// Whether a new entry has the owner of the original.
fn has_owner(new: &Stat, original: &Stat) -> bool {
    (new.st_uid, new.st_gid) == (original.st_uid, original.st_gid)
}

impl Copy<'_> {
    /// Gives the entry behind `to` the metadata of the one behind `from`, whose stat is given; `made` says that the entry is new.
    pub(super) fn metadata(
        &mut self,
        from: BorrowedFd<'_>,
        to: BorrowedFd<'_>,
        stat: &Stat,
        made: bool,
    ) -> Result<(), FilesError> {
        let source = self.source();
        self.give(to, stat, made, |copy| {
            each_attribute(&proc_path(from), &source, &mut |name, value| {
                copy.xattr(to, name, value)
            })
        })
    }

    /// Gives the entry behind `to` what the stat says, and the attributes that `attributes` sets.
    pub(super) fn give(
        &mut self,
        to: BorrowedFd<'_>,
        stat: &Stat,
        made: bool,
        attributes: impl FnOnce(&mut Self) -> Result<(), FilesError>,
    ) -> Result<(), FilesError> {
        let found = rustix::fs::fstat(to).at("examine", &self.target())?;
        self.set_owner(to, stat, &found)?;
        self.set_mode(to, stat, &found, made)?;
        attributes(self)?;
        rustix::fs::utimensat(to, c"", &times(stat), AtFlags::EMPTY_PATH)
            .at("set the times of", &self.target())
    }

    /// The same for what cannot be opened for reading without an effect: links, devices, FIFOs.
    pub(super) fn metadata_of_child(
        &mut self,
        from: BorrowedFd<'_>,
        to: Place<'_>,
        stat: &Stat,
    ) -> Result<(), FilesError> {
        let to = handle(to.dir, to.name).at("open", &self.target())?;
        self.metadata(from, to.as_fd(), stat, true)
    }

    /// Left alone where it is right already, so that an ordinary user can copy what is theirs.
    fn set_owner(&self, to: BorrowedFd<'_>, stat: &Stat, found: &Stat) -> Result<(), FilesError> {
        if self.options.without_owners || has_owner(found, stat) {
            return Ok(());
        }
        self.new_property(Property::Owner)?;
        let (owner, group) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
        rustix::fs::chownat(to, c"", Some(owner), Some(group), AtFlags::EMPTY_PATH)
            .at("change the owner of", &self.target())
    }

    /// A new entry may get any permission bits, as every file that is made; not so what was there, nor set-id bits.
    fn set_mode(
        &self,
        to: BorrowedFd<'_>,
        stat: &Stat,
        found: &Stat,
        made: bool,
    ) -> Result<(), FilesError> {
        if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink {
            return Ok(());
        }
        let kept = match self.options.without_owners && !has_owner(found, stat) {
            true => 0o7777 & !SET_ID,
            false => 0o7777,
        };
        let (mode, present) = (stat.st_mode & kept, found.st_mode & 0o7777);
        if mode & SET_ID != 0 || (!made && mode != present) {
            self.new_property(Property::Mode)?;
        }
        let mode = Mode::from_raw_mode(mode);
        rustix::fs::chmod(proc_path(to), mode).at("change the mode of", &self.target())
    }

    pub(super) fn xattr(
        &mut self,
        to: BorrowedFd<'_>,
        name: &OsStr,
        value: &[u8],
    ) -> Result<(), FilesError> {
        if is_set(name.as_bytes()) {
            self.new_property(Property::Attribute)?;
        }
        let take = |overseer: &dyn Overseer| overseer.bytes(&self.path, value.len() as u64);
        self.options
            .ask(take)
            .at("set an attribute of", &self.target())?;
        let mut result = rustix::fs::setxattr(proc_path(to), name, value, XattrFlags::empty())
            .map_err(Into::into);
        if refused(&result)
            && let Some(set) = self.options.set_xattr
        {
            result = set(to, name, value);
        }
        if refused(&result)
            && let Err(error) = result
        {
            let first = || XattrLoss {
                files: 0,
                first: self.path.clone(),
                error,
            };
            self.report
                .lost_xattrs
                .entry(name.to_owned())
                .or_insert_with(first)
                .files += 1;
            return Ok(());
        }
        result.at("set an attribute of", &self.target())
    }
}

/// Gets an attribute by name, with its value.
pub(crate) type EachAttribute<'a> = dyn FnMut(&OsStr, &[u8]) -> Result<(), FilesError> + 'a;

/// Calls `each` with every extended attribute of what the path leads to, which messages call `shown`.
pub(crate) fn each_attribute(
    object: &Path,
    shown: &Path,
    each: &mut EachAttribute<'_>,
) -> Result<(), FilesError> {
    let list = read_xattr(|buffer| rustix::fs::listxattr(object, buffer));
    let list = list
        .at("list the attributes of", shown)?
        .unwrap_or_default();
    let names = list
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty());
    for name in names.map(OsStr::from_bytes) {
        let value = read_xattr(|buffer| rustix::fs::getxattr(object, name, buffer));
        // Otherwise gone since it was listed.
        if let Some(value) = value.at("read an attribute of", shown)? {
            each(name, &value)?;
        }
    }
    Ok(())
}

/// Whether the kernel has no such attribute here or reserves it for more privileged processes.
fn refused(result: &std::io::Result<()>) -> bool {
    let error = result
        .as_ref()
        .err()
        .and_then(std::io::Error::raw_os_error)
        .map(Errno::from_raw_os_error);
    matches!(error, Some(Errno::PERM | Errno::ACCESS | Errno::OPNOTSUPP))
}

/// Reads what the kernel gives in a buffer of unknown size; `None` if there is nothing of that kind.
pub(crate) fn read_xattr(
    mut call: impl FnMut(&mut [u8]) -> rustix::io::Result<usize>,
) -> rustix::io::Result<Option<Vec<u8>>> {
    let mut buffer = vec![0; 256];
    loop {
        match call(&mut buffer) {
            Ok(length) => {
                buffer.truncate(length);
                return Ok(Some(buffer));
            }
            Err(Errno::RANGE) if buffer.len() < XATTR_MAX => buffer.resize(XATTR_MAX, 0),
            Err(Errno::NODATA | Errno::OPNOTSUPP) => return Ok(None),
            Err(error) => return Err(error),
        }
    }
}

fn times(stat: &Stat) -> Timestamps {
    Timestamps {
        last_access: Timespec {
            tv_sec: stat.st_atime,
            tv_nsec: stat.st_atime_nsec as _,
        },
        last_modification: Timespec {
            tv_sec: stat.st_mtime,
            tv_nsec: stat.st_mtime_nsec as _,
        },
    }
}
