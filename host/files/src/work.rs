//! Directories for what is not done yet, beside where it will be.
use crate::remove::remove_tree;
use rustix::process::geteuid;
use std::fs::{self, File, Metadata, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use tempfile::TempDir;

/// A directory that goes with its process. One that was left by a process that was killed is removed by the next of the same name.
#[derive(Debug)]
pub struct WorkDirectory {
    directory: TempDir,
    /// As long as it is locked, a process works there.
    _lock: File,
}

impl WorkDirectory {
    /// Makes `.NAME.` and some letters in `parent`, closed to others.
    ///
    /// # Errors
    /// When no directory can be made there.
    pub fn new(parent: &Path, name: &str) -> io::Result<Self> {
        let prefix = format!(".{name}.");
        remove_left(parent, &prefix)?;
        loop {
            let made = tempfile::Builder::new()
                .prefix(&prefix)
                .permissions(Permissions::from_mode(0o700))
                .tempdir_in(parent)?;
            let lock = File::open(made.path())?;
            lock.lock()?;
            // A process that came between took it for one that was left.
            if made.path().is_dir() {
                return Ok(Self {
                    directory: made,
                    _lock: lock,
                });
            }
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }
}

/// Removes this user's directories that no process works in.
fn remove_left(parent: &Path, prefix: &str) -> io::Result<()> {
    const LETTERS: usize = 6;
    for entry in fs::read_dir(parent)?.flatten() {
        let name = entry.file_name();
        let letters = name.to_str().and_then(|name| name.strip_prefix(prefix));
        let is_ours = letters.is_some_and(|letters| {
            letters.len() == LETTERS && letters.bytes().all(|byte| byte.is_ascii_alphanumeric())
        });
        let is_own = |found: Metadata| found.is_dir() && found.uid() == geteuid().as_raw();
        if !is_ours || !entry.metadata().is_ok_and(is_own) {
            continue;
        }
        let directory = match File::open(entry.path()) {
            // Another process has removed it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            opened => opened?,
        };
        match directory.try_lock() {
            // What is left takes room, and no more.
            Ok(()) => _ = remove_tree(&entry.path()),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_process_left_is_removed_and_what_is_in_use_stays() {
        let parent = tempfile::tempdir().unwrap();
        let at = |name: &str| parent.path().join(name);
        fs::create_dir_all(at(".demo.aB3xYz/image")).unwrap();
        fs::write(at(".demo.aB3xYz/image/disk"), "left").unwrap();
        for other in [".demo.notes", ".demo.aB3xYz2", ".other.aB3xYz"] {
            fs::create_dir(at(other)).unwrap();
        }
        std::os::unix::fs::symlink("/etc", at(".demo.aaaaaa")).unwrap();
        let first = WorkDirectory::new(parent.path(), "demo").unwrap();
        let second = WorkDirectory::new(parent.path(), "demo").unwrap();
        assert!(!at(".demo.aB3xYz").exists());
        for made in [&first, &second] {
            let mode = fs::metadata(made.path()).unwrap().mode();
            assert_eq!(mode & 0o7777, 0o700);
        }
        let kept = [
            ".demo.notes",
            ".demo.aB3xYz2",
            ".other.aB3xYz",
            ".demo.aaaaaa",
        ];
        assert!(kept.iter().all(|other| at(other).exists()));
    }
}
