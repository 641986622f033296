//! How much of the disk a tree takes.

use crate::FilesError;
use crate::dirs::walk;
use std::collections::HashSet;
use std::path::Path;

/// `st_blocks` counts these, whatever the file system's own block size (stat(2)).
const BLOCK: u64 = 512;

/// Bytes of disk that `path` and everything below it take, each file counted once however many names it has.
///
/// # Errors
/// Something below `path` cannot be examined.
pub fn disk_usage(path: &Path) -> Result<u64, FilesError> {
    let mut linked = HashSet::new();
    let mut blocks = 0;
    walk(path, &mut |found| {
        if found.stat.st_nlink < 2 || linked.insert((found.stat.st_dev, found.stat.st_ino)) {
            blocks += u64::try_from(found.stat.st_blocks).unwrap_or(0);
        }
        Ok(())
    })?;
    Ok(blocks * BLOCK)
}
