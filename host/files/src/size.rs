//! How much of the disk a tree takes.

use crate::FilesError;
use crate::dirs::walk;
use rustix::fs::Stat;
use std::collections::HashSet;
use std::path::Path;

/// `st_blocks` counts these, whatever the file system's own block size (stat(2)).
const BLOCK: u64 = 512;

/// What a tree takes of a file system.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of disk.
    pub bytes: u64,
    /// Files, directories, links and nodes.
    pub inodes: u64,
}

/// Bytes of disk that one file takes.
pub fn allocated(stat: &Stat) -> u64 {
    u64::try_from(stat.st_blocks).unwrap_or(0) * BLOCK
}

/// What `path` and everything below it take, each file counted once however many names it has.
///
/// # Errors
/// Something below `path` cannot be examined.
pub fn usage(path: &Path) -> Result<Usage, FilesError> {
    let mut linked = HashSet::new();
    let mut usage = Usage::default();
    walk(path, &mut |found| {
        if found.stat.st_nlink < 2 || linked.insert((found.stat.st_dev, found.stat.st_ino)) {
            usage.bytes += allocated(&found.stat);
            usage.inodes += 1;
        }
        Ok(())
    })?;
    Ok(usage)
}

/// The bytes of [`usage`].
///
/// # Errors
/// Those of [`usage`].
pub fn disk_usage(path: &Path) -> Result<u64, FilesError> {
    usage(path).map(|usage| usage.bytes)
}
