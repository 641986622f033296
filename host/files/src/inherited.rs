//! What new directories take over from those above them.
use crate::dirs::{open_root, proc_path};
use rustix::fs::{Mode, fchmod, fchown, fremovexattr, fstat};
use rustix::io::Errno;
use rustix::process::getegid;
use std::io;
use std::os::fd::AsFd;

/// Access lists of a directory: its own, and the one that everything new in it gets.
const ACCESS_LISTS: [&str; 2] = ["system.posix_acl_access", "system.posix_acl_default"];

/// The bit of a mode by which files and directories in a directory get its group.
const SET_GROUP: u32 = 0o2000;

/// Makes a new directory of this program one from which nothing is inherited: a group or access lists of the directory above it would
/// end up in every tree that is made in it.
///
/// # Errors
/// They cannot be taken away.
pub fn inherit_nothing(directory: impl AsFd) -> io::Result<()> {
    // A handle that only names it may have been given.
    let directory = open_root(&proc_path(&directory).join("."))?;
    for name in ACCESS_LISTS {
        match fremovexattr(&directory, name) {
            Ok(()) | Err(Errno::NODATA | Errno::NOTSUP) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let mode = fstat(&directory)?.st_mode;
    if mode & SET_GROUP != 0 {
        fchown(&directory, None, Some(getegid()))?;
        fchmod(&directory, Mode::from_raw_mode(mode & 0o7777 & !SET_GROUP))?;
    }
    Ok(())
}
