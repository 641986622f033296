//! What sources looked like when their content was verified: size, time of the last change and number of the inode of each file.
//!
//! To look at these costs nothing, so it is done at every use. What looks otherwise, or was never noted, has to be verified as a
//! whole; a lost note costs time and nothing else. The notes are lines that are only ever added: `TYPE/KEY DESCRIPTION`.

use crate::error::At;
use crate::{Store, StoreError};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::PoisonError;

/// The file of the store.
const FILE: &str = "noted";

/// The most bytes that it may have; beyond, everything is verified once more.
const LARGEST: u64 = 16 << 20;

/// The notes that this process knows.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    known: HashMap<String, String>,
    /// Bytes of the file that were read.
    read: u64,
}

impl Store {
    /// Whether a source still looks as it did when it was verified. `at` is its place, or another name of the same file.
    ///
    /// # Errors
    /// Its names or the notes cannot be read.
    pub fn is_as_noted(
        &self,
        content_type: &str,
        key: &str,
        at: &Path,
    ) -> Result<bool, StoreError> {
        let found = describe(at).at("examine", at)?;
        let name = format!("{content_type}/{key}");
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        if notes.known.get(&name) == Some(&found) {
            return Ok(true);
        }
        // Another run may have noted it.
        let path = self.path().join(FILE);
        notes.update(&path).at("read", &path)?;
        Ok(notes.known.get(&name) == Some(&found))
    }

    /// Notes what sources look like now that their content was verified.
    ///
    /// # Errors
    /// They are not there, or the notes cannot be written.
    pub fn note(&self, content_type: &str, keys: &[&str]) -> Result<(), StoreError> {
        let directory = self.sources(content_type)?;
        let mut lines = String::new();
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        for key in keys {
            let path = directory.join(key);
            let description = describe(&path).at("examine", &path)?;
            let name = format!("{content_type}/{key}");
            // Writing to a string cannot fail.
            _ = writeln!(lines, "{name} {description}");
            notes.known.insert(name, description);
        }
        let path = self.path().join(FILE);
        let mut options = File::options();
        let file = options.append(true).create(true).mode(0o600).open(&path);
        // One call of the system: lines of several runs do not mix.
        file.and_then(|mut file| file.write_all(lines.as_bytes()))
            .at("write", &path)
    }

    /// Forgets all notes: everything is verified when it is used next.
    ///
    /// # Errors
    /// The notes cannot be removed.
    pub fn forget_notes(&self) -> Result<(), StoreError> {
        let path = self.path().join(FILE);
        *self.notes.lock().unwrap_or_else(PoisonError::into_inner) = Notes::default();
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            removed => removed.at("remove", &path),
        }
    }
}

impl Notes {
    /// Reads the lines that were added since.
    fn update(&mut self, path: &Path) -> std::io::Result<()> {
        let mut file = match File::open(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                *self = Self::default();
                return Ok(());
            }
            file => file?,
        };
        let length = file.metadata()?.len();
        if length > LARGEST {
            *self = Self::default();
            return std::fs::remove_file(path);
        }
        if length < self.read {
            *self = Self::default();
        }
        file.seek(SeekFrom::Start(self.read))?;
        let mut text = String::new();
        file.take(LARGEST).read_to_string(&mut text)?;
        // A line that is still being written is read the next time.
        let end = text.rfind('\n').map_or(0, |end| end + 1);
        self.read += end as u64;
        let lines = text[..end].lines().filter_map(|line| line.split_once(' '));
        self.known
            .extend(lines.map(|(name, description)| (name.to_owned(), description.to_owned())));
        Ok(())
    }
}

/// A digest of what all files at a path look like.
fn describe(path: &Path) -> std::io::Result<String> {
    let mut hasher = Sha256::new();
    add(&mut hasher, path)?;
    Ok(hex::encode(&hasher.finalize()[..16]))
}

fn add(hasher: &mut Sha256, path: &Path) -> std::io::Result<()> {
    let metadata = path.symlink_metadata()?;
    if !metadata.is_dir() {
        let (kind, inode) = (metadata.mode() & 0o170_000, metadata.ino());
        let (size, seconds, part) = (metadata.size(), metadata.mtime(), metadata.mtime_nsec());
        hasher.update(format!("{kind} {inode} {size} {seconds} {part}\n"));
        return Ok(());
    }
    let entries = std::fs::read_dir(path)?.map(|entry| Ok(entry?.file_name()));
    let mut names = entries.collect::<std::io::Result<Vec<_>>>()?;
    names.sort_unstable();
    hasher.update(format!("directory {}\n", names.len()));
    for name in names {
        hasher.update(name.as_bytes());
        hasher.update([0]);
        add(hasher, &path.join(name))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const TYPE: &str = "org.osbuild.files";

    #[test]
    fn what_was_changed_replaced_or_never_noted_does_not_look_as_noted() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        let path = store.sources(TYPE).unwrap().join("key");
        fs::write(&path, "content").unwrap();
        let as_noted = || store.is_as_noted(TYPE, "key", &path).unwrap();
        assert!(!as_noted());
        store.note(TYPE, &["key"]).unwrap();
        assert!(as_noted());
        let link = directory.path().join("link");
        fs::hard_link(&path, &link).unwrap();
        assert!(store.is_as_noted(TYPE, "key", &link).unwrap());

        let times = |path: &Path| fs::metadata(path).unwrap().modified().unwrap();
        let (before, same) = (times(&path), directory.path().join("same"));
        fs::write(&same, "CONTENT").unwrap();
        File::open(&same).unwrap().set_modified(before).unwrap();
        fs::rename(&same, &path).unwrap();
        assert!(!as_noted(), "another inode");
        store.note(TYPE, &["key"]).unwrap();
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .write_all(b"x")
            .unwrap();
        assert!(!as_noted(), "another time");
    }

    #[test]
    fn runs_know_the_notes_of_others_and_forget_with_them() {
        let directory = tempfile::tempdir().unwrap();
        let (first, second) = (
            Store::open(directory.path()).unwrap(),
            Store::open(directory.path()).unwrap(),
        );
        let path = first.sources(TYPE).unwrap().join("key");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("file"), "content").unwrap();
        first.note(TYPE, &["key"]).unwrap();
        assert!(second.is_as_noted(TYPE, "key", &path).unwrap());
        fs::write(path.join("another"), "").unwrap();
        assert!(!second.is_as_noted(TYPE, "key", &path).unwrap());
        fs::remove_file(path.join("another")).unwrap();
        assert!(second.is_as_noted(TYPE, "key", &path).unwrap());
        second.forget_notes().unwrap();
        assert!(!second.is_as_noted(TYPE, "key", &path).unwrap());
        // The first one has them in memory still, but no run outlives a crash.
        assert!(
            !Store::open(directory.path())
                .unwrap()
                .is_as_noted(TYPE, "key", &path)
                .unwrap()
        );
    }
}
