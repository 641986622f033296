//! Scratch directories: gone with their owner, or swept by the next run when the owner was killed.

use crate::error::At;
use crate::{StoreError, remove_tree};
use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// A directory of the store that is removed with this value, also when the process is killed: then the next
/// [`Store::open`](crate::Store::open) finds its lock free.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    lock_path: PathBuf,
    /// Held, not read: closing it is what frees the directory for sweeping.
    _lock: File,
}

impl Scratch {
    /// Makes a new empty directory (mode 0700) in `parent`. The lock file stands beside it and is made first, so
    /// that a directory without one never belongs to a live run.
    pub(crate) fn create(parent: &Path, purpose: &str) -> Result<Self, StoreError> {
        loop {
            let path = parent.join(unique(purpose));
            let lock_path = lock_path(&path);
            let Some(lock) = create_locked(&lock_path).at("create", &lock_path)? else {
                continue;
            };
            std::fs::DirBuilder::new()
                .mode(0o700)
                .create(&path)
                .at("create", &path)?;
            return Ok(Self {
                path,
                lock_path,
                _lock: lock,
            });
        }
    }

    /// The directory, absolute. What is in it is the owner's business.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// When the scratch was made, in the clock of the file system.
    pub(crate) fn created(&self) -> io::Result<SystemTime> {
        self._lock.metadata()?.modified()
    }

    /// Removes the directory now and says whether that worked; dropping the value does the same silently.
    ///
    /// # Errors
    /// Something in it cannot be removed. What stays is swept by a later run.
    pub fn close(self) -> Result<(), StoreError> {
        self.remove()
    }

    fn remove(&self) -> Result<(), StoreError> {
        remove_tree(&self.path)?;
        match std::fs::remove_file(&self.lock_path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).at("remove", &self.lock_path)
            }
            _ => Ok(()),
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // The directory stays without an owner and the next run sweeps it.
        let _ = self.remove();
    }
}

/// Removes the scratch directories in `parent` that no live run owns. What cannot be removed stays for another time.
pub(crate) fn sweep(parent: &Path) -> Result<(), StoreError> {
    for entry in std::fs::read_dir(parent).at("list", parent)? {
        let entry = entry.at("list", parent)?;
        let path = entry.path();
        if path.extension() == Some(OsStr::new("lock")) {
            sweep_locked(&path);
        } else if !lock_path(&path).exists() {
            let _ = remove_tree(&path);
        }
    }
    Ok(())
}

fn sweep_locked(lock: &Path) {
    let Ok(Some(_held)) = try_lock(lock) else {
        return;
    };
    if remove_tree(&lock.with_extension("")).is_ok() {
        let _ = std::fs::remove_file(lock);
    }
}

/// The moments at which the live owners of scratch directories for `purpose` started.
pub(crate) fn live_since(parent: &Path, purpose: &str) -> io::Result<Vec<SystemTime>> {
    let prefix = format!("{purpose}-");
    let mut starts = Vec::new();
    for entry in std::fs::read_dir(parent)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        if name.starts_with(&prefix)
            && name.ends_with(".lock")
            && try_lock(&entry.path())?.is_none()
        {
            match entry.metadata().and_then(|metadata| metadata.modified()) {
                Ok(start) => starts.push(start),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(starts)
}

/// Locks a file exclusively without waiting; `None` if it is in use or was replaced meanwhile.
pub(crate) fn try_lock(path: &Path) -> io::Result<Option<File>> {
    let file = match OpenOptions::new().read(true).write(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    keep(file.try_lock(), file, path)
}

/// Locks a file for reading without waiting; `None` if it does not exist or a writer has it.
pub(crate) fn try_lock_shared(path: &Path) -> io::Result<Option<File>> {
    let file = match File::open(path) {
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(None);
        }
        other => other?,
    };
    keep(file.try_lock_shared(), file, path)
}

fn keep(locked: Result<(), TryLockError>, file: File, path: &Path) -> io::Result<Option<File>> {
    match locked {
        Ok(()) if is_still(&file, path)? => Ok(Some(file)),
        Ok(()) | Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// A lock means something only if the path still leads to the file that was locked.
fn is_still(file: &File, path: &Path) -> io::Result<bool> {
    let ours = file.metadata()?;
    match std::fs::symlink_metadata(path) {
        Ok(there) => Ok((ours.dev(), ours.ino()) == (there.dev(), there.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// A new lock file, locked; `None` if the name is taken or a sweeper was faster.
pub(crate) fn create_locked(path: &Path) -> io::Result<Option<File>> {
    match OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
    {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(None),
        file => {
            let file = file?;
            keep(file.try_lock(), file, path)
        }
    }
}

fn lock_path(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".lock");
    PathBuf::from(name)
}

/// A name that is very likely free; the caller makes sure.
pub(crate) fn unique(purpose: &str) -> String {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    let nanos = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.subsec_nanos());
    format!("{purpose}-{}-{count}-{nanos}", std::process::id())
}
