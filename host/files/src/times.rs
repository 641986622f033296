//! Times that a build left in a tree, replaced by the source epoch.

use crate::FilesError;
use crate::dirs::walk;
use crate::error::At;
use rustix::fs::{AtFlags, Timespec, Timestamps};
use rustix::io::Errno;
use std::path::Path;

/// Sets access and modification time of `tree` and of everything below it that was modified at `since` or later to
/// `epoch`; both are seconds since 1970. Links are not followed, older times stay, what is immutable is left alone.
///
/// # Errors
/// Something in the tree cannot be examined or changed.
pub fn clamp_times(tree: &Path, since: i64, epoch: i64) -> Result<(), FilesError> {
    let time = Timespec {
        tv_sec: epoch,
        tv_nsec: 0,
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    walk(tree, &mut |found| {
        if found.stat.st_mtime < since {
            return Ok(());
        }
        match rustix::fs::utimensat(found.dir, found.name, &times, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(()) | Err(Errno::PERM) => Ok(()),
            error => error.at("set the times of", found.path),
        }
    })
}
