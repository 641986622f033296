//! Small steps on directories, each relative to an open descriptor and never through a symbolic link.

use crate::FilesError;
use crate::error::At;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::{self, Errno};
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);

/// Directories may be nested so deep in a tree that is copied or walked through, each level of which takes descriptors and stack. A path
/// cannot name much more, but renames make them deeper.
pub(crate) const MAX_DEPTH: usize = 500;

/// Opens a directory named by its caller; links in that path are followed.
pub fn open_root(path: &Path) -> io::Result<OwnedFd> {
    rustix::fs::open(path, DIRECTORY, Mode::empty())
}

/// Opens a subdirectory, which may be a mount point but not a link.
pub(crate) fn open_child(dir: impl AsFd, name: &OsStr) -> io::Result<OwnedFd> {
    rustix::fs::openat(dir, name, DIRECTORY | OFlags::NOFOLLOW, Mode::empty())
}

/// Opens a subdirectory that lies on the same mount; `XDEV` if something is mounted there.
pub(crate) fn open_child_same_mount(
    dir: impl AsFd,
    name: &OsStr,
    flags: OFlags,
) -> io::Result<OwnedFd> {
    let resolve = ResolveFlags::NO_XDEV | ResolveFlags::NO_SYMLINKS | ResolveFlags::BENEATH;
    rustix::fs::openat2(dir, name, DIRECTORY | flags, Mode::empty(), resolve)
}

/// A handle on anything, links and devices included, that opens nothing.
pub(crate) fn handle(dir: impl AsFd, name: &OsStr) -> io::Result<OwnedFd> {
    rustix::fs::openat(
        dir,
        name,
        OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
    )
}

/// The path by which calls that want a path reach exactly the file behind `fd`, also a link or a device.
pub fn proc_path(fd: impl AsFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd()))
}

/// The names in a directory, sorted, so that what is made from them does not depend on the file system.
pub(crate) fn names(dir: impl AsFd) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(dir)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(OsStr::from_bytes(name).to_owned());
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// One thing found by [`walk`].
pub(crate) struct Found<'a> {
    /// The directory it is in and its name there; the root itself is `.` in itself.
    pub(crate) dir: BorrowedFd<'a>,
    pub(crate) name: &'a OsStr,
    pub(crate) path: &'a Path,
    pub(crate) stat: Stat,
}

/// What [`walk`] calls for everything it finds.
pub(crate) type Visit<'a> = dyn FnMut(&Found<'_>) -> Result<(), FilesError> + 'a;

/// Visits everything below `root` on the same mount, a directory after its content, and `root` last.
pub(crate) fn walk(root: &Path, visit: &mut Visit<'_>) -> Result<(), FilesError> {
    let dir = open_root(root).at("open", root)?;
    let mut path = root.to_owned();
    walk_below(dir.as_fd(), &mut path, visit, MAX_DEPTH)?;
    let stat = rustix::fs::fstat(&dir).at("examine", root)?;
    visit(&Found {
        dir: dir.as_fd(),
        name: OsStr::new("."),
        path: root,
        stat,
    })
}

fn walk_below(
    dir: BorrowedFd<'_>,
    path: &mut PathBuf,
    visit: &mut Visit<'_>,
    depth: usize,
) -> Result<(), FilesError> {
    let depth = depth.checked_sub(1).ok_or(Errno::NAMETOOLONG);
    let depth = depth.at("go deeper than", path)?;
    for name in names(dir).at("list", path)? {
        path.push(&name);
        let stat = rustix::fs::statat(dir, &name, AtFlags::SYMLINK_NOFOLLOW).at("examine", path)?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            match open_unnoticed(dir, &name) {
                Ok(child) => walk_below(child.as_fd(), path, visit, depth)?,
                Err(Errno::XDEV) => {}
                Err(error) => return Err(error).at("open", path),
            }
        }
        visit(&Found {
            dir,
            name: &name,
            path,
            stat,
        })?;
        path.pop();
    }
    Ok(())
}

/// Opens a directory so that listing it does not change its access time, where that is allowed.
fn open_unnoticed(dir: BorrowedFd<'_>, name: &OsStr) -> io::Result<OwnedFd> {
    match open_child_same_mount(dir, name, OFlags::NOATIME) {
        Err(Errno::PERM) => open_child_same_mount(dir, name, OFlags::empty()),
        other => other,
    }
}
