//! What of a tree a user who is not root of the machine could not make.

use crate::FilesError;
use crate::copy::read_xattr;
use crate::dirs::{Found, handle, proc_path, walk};
use crate::error::At;
use rustix::fs::FileType;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Something that an object of a tree has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Beyond {
    /// It is the node of a device.
    Device,
    /// An owner or group with a number that is too large.
    Id(u32),
    /// An extended attribute of this name.
    Attribute(OsString),
}

/// What a user can give to files.
#[derive(Clone, Copy)]
pub struct Reach<'a> {
    /// Owners and groups below this number.
    pub ids: u32,
    /// Whether an extended attribute of such a name is possible.
    pub attribute: &'a dyn Fn(&OsStr) -> bool,
}

impl std::fmt::Debug for Reach<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reach")
            .field("ids", &self.ids)
            .finish_non_exhaustive()
    }
}

/// The first object of a tree that such a user could not make, by its path below the tree. Attributes count as far as this process sees
/// them.
///
/// # Errors
/// Something cannot be looked at.
pub fn first_beyond(
    tree: &Path,
    reach: Reach<'_>,
) -> Result<Option<(PathBuf, Beyond)>, FilesError> {
    let mut first = None;
    walk(tree, &mut |found| {
        if first.is_none() {
            let below = found.path.strip_prefix(tree).unwrap_or(found.path);
            first = reach
                .exceeded_by(found)?
                .map(|what| (below.to_owned(), what));
        }
        Ok(())
    })?;
    Ok(first)
}

impl Reach<'_> {
    fn exceeded_by(&self, found: &Found<'_>) -> Result<Option<Beyond>, FilesError> {
        let kind = FileType::from_raw_mode(found.stat.st_mode);
        if matches!(kind, FileType::CharacterDevice | FileType::BlockDevice) {
            return Ok(Some(Beyond::Device));
        }
        let id = found.stat.st_uid.max(found.stat.st_gid);
        if id >= self.ids {
            return Ok(Some(Beyond::Id(id)));
        }
        let object = handle(found.dir, found.name).at("open", found.path)?;
        let names = read_xattr(|buffer| rustix::fs::listxattr(proc_path(&object), buffer))
            .at("list the attributes of", found.path)?
            .unwrap_or_default();
        let mut names = names
            .split(|byte| *byte == 0)
            .map(OsStr::from_bytes)
            .filter(|name| !name.is_empty());
        let name = names.find(|name| !(self.attribute)(name));
        Ok(name.map(|name| Beyond::Attribute(name.to_owned())))
    }
}
