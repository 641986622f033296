//! Removing whole trees, whatever a build left in them: immutable files, directories without permissions, nesting
//! deeper than the number of descriptors a process may have.

use crate::FilesError;
use crate::dirs::{handle, names, open_child_same_mount, open_root, proc_path};
use crate::error::At;
use rustix::fs::{AtFlags, FileType, IFlags, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// A directory below this depth is first moved up, so that depth costs neither descriptors nor stack.
const MAX_DEPTH: usize = 100;

/// Removes `path` and everything below it; a path that does not exist is fine.
///
/// Links are removed, never followed. Immutable and append-only flags (chattr) are cleared and missing permissions
/// added where the kernel allows it.
///
/// # Errors
/// A mount point below `path` stops the removal: what is mounted there is not ours to delete.
pub fn remove_tree(path: &Path) -> Result<(), FilesError> {
    let Some((parent, name)) = parent_of(path)? else {
        return Ok(());
    };
    let mut removal = Removal {
        top: None,
        path: path.to_owned(),
        moved: 0,
    };
    removal.entry(parent.as_fd(), name, 0)
}

/// Removes one thing that is no directory; a path that does not exist is fine.
///
/// # Errors
/// It is a directory, or the kernel refuses.
pub fn remove_entry(path: &Path) -> Result<(), FilesError> {
    let Some((parent, name)) = parent_of(path)? else {
        return Ok(());
    };
    let remove = || rustix::fs::unlinkat(&parent, name, AtFlags::empty());
    let removed = match remove() {
        Err(Errno::PERM | Errno::ACCESS) => {
            unprotect(parent.as_fd(), name);
            remove()
        }
        removed => removed,
    };
    match removed {
        Err(Errno::NOENT) => Ok(()),
        other => other.at("remove", path),
    }
}

/// The open directory that a path's last name is in, and the name; none when there is no such directory.
fn parent_of(path: &Path) -> Result<Option<(OwnedFd, &OsStr)>, FilesError> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Errno::INVAL).at("remove", path);
    };
    let parent = if parent.as_os_str().is_empty() {
        Path::new(".")
    } else {
        parent
    };
    match open_root(parent) {
        Err(Errno::NOENT) => Ok(None),
        other => Ok(Some((other.at("open the directory of", path)?, name))),
    }
}

struct Removal {
    /// The tree's own directory, where entries from too deep below are moved.
    top: Option<OwnedFd>,
    /// The entry at hand, for messages.
    path: PathBuf,
    moved: usize,
}

impl Removal {
    fn entry(&mut self, dir: BorrowedFd<'_>, name: &OsStr, depth: usize) -> Result<(), FilesError> {
        match rustix::fs::unlinkat(dir, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(Errno::ISDIR) => self.directory(dir, name, depth),
            // Which of the two it is for a directory, or for what the kernel protects, depends on the file system.
            Err(Errno::PERM | Errno::ACCESS) => {
                let stat = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)
                    .at("examine", &self.path)?;
                if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                    return self.directory(dir, name, depth);
                }
                unprotect(dir, name);
                rustix::fs::unlinkat(dir, name, AtFlags::empty()).at("remove", &self.path)
            }
            error => error.at("remove", &self.path),
        }
    }

    fn directory(
        &mut self,
        dir: BorrowedFd<'_>,
        name: &OsStr,
        depth: usize,
    ) -> Result<(), FilesError> {
        if depth >= MAX_DEPTH {
            return self.move_up(dir, name);
        }
        match rustix::fs::unlinkat(dir, name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => return Ok(()),
            Err(_) => {} // Not empty, most likely; anything else shows up again below.
        }
        let child = self.open(dir, name)?;
        prepare(child.as_fd());
        loop {
            let names = names(&child).at("list", &self.path)?;
            if names.is_empty() {
                break;
            }
            if depth == 0 && self.top.is_none() {
                self.top = Some(child.try_clone().at("open", &self.path)?);
            }
            self.children(child.as_fd(), names, depth)?;
        }
        drop(child);
        rustix::fs::unlinkat(dir, name, AtFlags::REMOVEDIR).at("remove", &self.path)
    }

    fn children(
        &mut self,
        dir: BorrowedFd<'_>,
        names: Vec<OsString>,
        depth: usize,
    ) -> Result<(), FilesError> {
        for name in names {
            self.path.push(&name);
            self.entry(dir, &name, depth + 1)?;
            self.path.pop();
        }
        Ok(())
    }

    fn open(&self, dir: BorrowedFd<'_>, name: &OsStr) -> Result<OwnedFd, FilesError> {
        match open_child_same_mount(dir, name, OFlags::NOFOLLOW) {
            Err(Errno::ACCESS) => {
                let found = handle(dir, name).at("open", &self.path)?;
                rustix::fs::chmod(proc_path(&found), Mode::RWXU)
                    .at("change the mode of", &self.path)?;
                open_child_same_mount(dir, name, OFlags::NOFOLLOW).at("open", &self.path)
            }
            other => other.at("remove (something is mounted there?)", &self.path),
        }
    }

    /// Moves a directory into the top one; the loop over the top one meets it again, at depth 1.
    fn move_up(&mut self, dir: BorrowedFd<'_>, name: &OsStr) -> Result<(), FilesError> {
        let top = self
            .top
            .as_ref()
            .ok_or(Errno::INVAL)
            .at("remove", &self.path)?;
        unprotect(dir, name);
        loop {
            let new = OsString::from(format!(".removing-{}", self.moved));
            self.moved += 1;
            match rustix::fs::renameat_with(
                dir,
                name,
                top,
                &new,
                rustix::fs::RenameFlags::NOREPLACE,
            ) {
                Err(Errno::EXIST) => {}
                other => return other.at("move", &self.path),
            }
        }
    }
}

/// Makes a directory's entries removable: owner permissions, no immutable or append-only flag. Best effort, since
/// the removal that follows reports what stays in the way.
fn prepare(dir: BorrowedFd<'_>) {
    clear_flags(dir);
    if let Ok(stat) = rustix::fs::fstat(dir) {
        let mode = Mode::from_raw_mode(stat.st_mode);
        if !mode.contains(Mode::RWXU) {
            let _ = rustix::fs::fchmod(dir, mode | Mode::RWXU);
        }
    }
}

/// Clears the flags of one entry. Only regular files and directories have any; nothing else is opened.
fn unprotect(dir: BorrowedFd<'_>, name: &OsStr) {
    let Ok(stat) = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) else {
        return;
    };
    if !matches!(
        FileType::from_raw_mode(stat.st_mode),
        FileType::RegularFile | FileType::Directory
    ) {
        return;
    }
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    if let Ok(file) = rustix::fs::openat(dir, name, flags, Mode::empty()) {
        clear_flags(file.as_fd());
    }
}

fn clear_flags(file: BorrowedFd<'_>) {
    let protecting = IFlags::IMMUTABLE | IFlags::APPEND;
    if let Ok(flags) = rustix::fs::ioctl_getflags(file)
        && flags.intersects(protecting)
    {
        let _ = rustix::fs::ioctl_setflags(file, flags - protecting);
    }
}
