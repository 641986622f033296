//! Files of a tree that changed lately.

use crate::FilesError;
use crate::dirs::walk;
use crate::error::At;
use rustix::fs::{FileType, Mode, OFlags, openat};
use std::fs::File;
use std::path::Path;

/// Calls `visit` with the path below `root` of each regular file whose inode changed at `since` or later (seconds and nanoseconds since
/// 1970, by the clock of the file system), and the file opened for reading. No program can set that time of an inode.
///
/// # Errors
/// Something below `root` cannot be examined.
pub fn changed_files(
    root: &Path,
    since: (i64, i64),
    visit: &mut dyn FnMut(&Path, File),
) -> Result<(), FilesError> {
    walk(root, &mut |found| {
        let regular = FileType::from_raw_mode(found.stat.st_mode) == FileType::RegularFile;
        let changed = (
            found.stat.st_ctime,
            i64::try_from(found.stat.st_ctime_nsec).unwrap_or(0),
        );
        if regular && changed >= since {
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
            let file = openat(found.dir, found.name, flags, Mode::empty());
            let path = found.path.strip_prefix(root).unwrap_or(found.path);
            visit(path, file.at("open", found.path)?.into());
        }
        Ok(())
    })
}
