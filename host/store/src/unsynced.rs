//! Sources that may not be on the disk yet.
//!
//! To wait for the disk takes longer than to download thousands of small files. They get their names at once; until they are on the
//! disk a mark tells that after a crash of the machine they must be looked at again. A killed process damages nothing: what it wrote
//! is in the kernel's hands.

use crate::error::At;
use crate::store::make_dir;
use crate::{Store, StoreError, scratch};
use std::fs::File;
use std::path::{Path, PathBuf};

/// Marks are in this directory of the store. Their names begin with the boot of the machine that they are of.
const DIRECTORY: &str = "unsynced";

/// What the kernel calls the time since the machine started (random(4)).
const BOOT: &str = "/proc/sys/kernel/random/boot_id";

/// What a run adds to the sources while it has this may be lost by a crash.
#[derive(Debug)]
pub struct Unsynced {
    directory: PathBuf,
    mark: PathBuf,
    /// Held, not read: the mark of a live run stays.
    _lock: File,
}

impl Unsynced {
    /// Marks that sources are added to a store which are not on the disk, until [`Unsynced::sync`]. The mark itself is on the disk.
    ///
    /// # Errors
    /// The mark cannot be made.
    pub fn begin(store: &Path) -> Result<Self, StoreError> {
        let directory = store.join(DIRECTORY);
        make_dir(&directory, 0o755)?;
        loop {
            let mark = directory.join(scratch::unique(&boot()));
            let Some(lock) = scratch::create_locked(&mark).at("create", &mark)? else {
                continue;
            };
            lock.sync_all().at("write to the disk", &mark)?;
            for directory in [&*directory, store] {
                let synced = File::open(directory).and_then(|directory| directory.sync_all());
                synced.at("write to the disk", directory)?;
            }
            return Ok(Self {
                directory,
                mark,
                _lock: lock,
            });
        }
    }

    /// Writes everything to the disk and takes the mark away, also those of killed runs.
    ///
    /// # Errors
    /// The disk does not take it. The mark stays.
    pub fn sync(self) -> Result<(), StoreError> {
        let (boot, directory) = (boot(), &self.directory);
        let mut marks = marks(directory)?;
        // A run that was killed has nothing left to add; a live one may.
        marks.retain(|mark| is_of(mark, &boot) && matches!(scratch::try_lock(mark), Ok(Some(_))));
        marks.push(self.mark);
        let file = File::open(directory).at("open", directory)?;
        rustix::fs::syncfs(file).at("write to the disk", directory)?;
        for mark in marks {
            // Another run may have been faster.
            _ = std::fs::remove_file(mark);
        }
        Ok(())
    }
}

impl Store {
    /// Marks of runs that the machine did not survive: until a run has looked at all sources and removed these files, what is
    /// among the sources may be damaged.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn crashed(&self) -> Result<Vec<PathBuf>, StoreError> {
        let directory = self.path().join(DIRECTORY);
        if !directory.exists() {
            return Ok(Vec::new());
        }
        let boot = boot();
        let mut marks = marks(&directory)?;
        marks.retain(|mark| !is_of(mark, &boot));
        Ok(marks)
    }
}

fn marks(directory: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let entries = std::fs::read_dir(directory).at("list", directory)?;
    let paths = entries.map(|entry| Ok(entry.at("list", directory)?.path()));
    paths.collect()
}

fn is_of(mark: &Path, boot: &str) -> bool {
    let name = mark.file_name().unwrap_or_default();
    name.to_string_lossy().starts_with(boot)
}

/// Where the kernel does not say, all marks are of one boot: then a crash is not noticed, but nothing else fails.
fn boot() -> String {
    let boot = std::fs::read_to_string(BOOT).unwrap_or_default();
    match boot.trim() {
        "" => "unknown".to_owned(),
        boot => boot.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_taken_away_when_everything_is_on_the_disk() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        let (first, killed) = (
            Unsynced::begin(store.path()).unwrap(),
            Unsynced::begin(store.path()).unwrap(),
        );
        drop(killed);
        let live = Unsynced::begin(store.path()).unwrap();
        first.sync().unwrap();
        assert_eq!(
            marks(&live.directory).unwrap(),
            std::slice::from_ref(&live.mark)
        );
        assert!(store.crashed().unwrap().is_empty());
    }

    #[test]
    fn a_mark_of_an_earlier_boot_tells_of_a_crash() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        assert!(store.crashed().unwrap().is_empty());
        Unsynced::begin(store.path()).unwrap().sync().unwrap();
        let mark = store.path().join(DIRECTORY).join("another-boot-1");
        std::fs::write(&mark, "").unwrap();
        Unsynced::begin(store.path()).unwrap().sync().unwrap();
        assert_eq!(store.crashed().unwrap(), [mark]);
    }
}
