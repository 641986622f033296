//! Keeping the store below its limit: the least recently used goes first, object or source.
//!
//! An object is in use while a run holds its lock. A source is too small and too often used for a lock of its own:
//! it is in use if it was last used after the oldest run that is still alive began.

use crate::error::At;
use crate::object::read_record;
use crate::scratch::{live_since, try_lock};
use crate::store::{RUN, Store};
use crate::{StoreError, disk_usage, remove_tree};
use std::fs::{DirEntry, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Bytes of disk in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// By objects.
    pub objects: u64,
    /// By sources.
    pub sources: u64,
}

impl Usage {
    /// By both; this is what the limit is about.
    pub fn total(self) -> u64 {
        self.objects + self.sources
    }
}

enum Kind {
    Object,
    Source,
}

/// Something that could go.
struct Entry {
    kind: Kind,
    path: PathBuf,
    size: u64,
    last_use: SystemTime,
}

impl Store {
    /// How much the store holds.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn usage(&self) -> Result<Usage, StoreError> {
        let sum = |entries: Vec<Entry>| entries.iter().map(|entry| entry.size).sum();
        Ok(Usage {
            objects: sum(objects(self)?),
            sources: sum(sources(self)?),
        })
    }
}

/// Evicts until `needed` more bytes stay within `limit`; false if what may go is not enough.
pub(crate) fn make_room(store: &Store, limit: u64, needed: u64) -> Result<bool, StoreError> {
    if needed > limit {
        return Ok(false);
    }
    let lock = store.sources_lock()?;
    lock.lock().at("lock", store.path())?;
    let mut entries = objects(store)?;
    entries.extend(sources(store)?);
    entries.sort_by_key(|entry| entry.last_use);
    let mut total: u64 = entries.iter().map(|entry| entry.size).sum();
    let oldest_run = oldest_run(store)?;
    for entry in entries {
        if total + needed <= limit {
            break;
        }
        let gone = match entry.kind {
            Kind::Object => evict_object(store, &entry.path)?,
            Kind::Source => {
                entry.last_use < oldest_run && remove_tree(&entry.path).map(|()| true)?
            }
        };
        if gone {
            total -= entry.size;
        }
    }
    Ok(total + needed <= limit)
}

fn oldest_run(store: &Store) -> Result<SystemTime, StoreError> {
    let scratch = store.scratch_dir();
    let ours = store.since().at("examine", &scratch)?;
    let runs = live_since(&scratch, RUN).at("list", &scratch)?;
    Ok(runs
        .into_iter()
        .min()
        .map_or(ours, |oldest| oldest.min(ours)))
}

/// Moves an object out of reach and removes it, unless it is in use.
fn evict_object(store: &Store, path: &Path) -> Result<bool, StoreError> {
    let lock_path = path.join("lock");
    let Some(_lock) = try_lock(&lock_path).at("lock", &lock_path)? else {
        return Ok(false);
    };
    let grave = store.scratch("evict")?;
    std::fs::rename(path, grave.path().join("object")).at("evict", path)?;
    grave.close()?;
    Ok(true)
}

fn objects(store: &Store) -> Result<Vec<Entry>, StoreError> {
    let mut entries = Vec::new();
    for entry in list(&store.objects_dir())? {
        let path = entry.path();
        // What has no lock is not ours, or is being moved away.
        let Some(lock) =
            present(std::fs::symlink_metadata(path.join("lock"))).at("examine", &path)?
        else {
            continue;
        };
        let size = match read_record(&path)? {
            Some(record) => record.size,
            None => disk_usage(&path)?,
        };
        entries.push(Entry {
            kind: Kind::Object,
            path,
            size,
            last_use: last_use(&lock),
        });
    }
    Ok(entries)
}

fn sources(store: &Store) -> Result<Vec<Entry>, StoreError> {
    let mut entries = Vec::new();
    for content_type in list(&store.sources_dir())? {
        for entry in list(&content_type.path())? {
            let path = entry.path();
            let Some(metadata) = present(entry.metadata()).at("examine", &path)? else {
                continue;
            };
            let size = if metadata.is_dir() {
                disk_usage(&path)?
            } else {
                blocks(&metadata)
            };
            entries.push(Entry {
                kind: Kind::Source,
                path,
                size,
                last_use: last_use(&metadata),
            });
        }
    }
    Ok(entries)
}

fn blocks(metadata: &Metadata) -> u64 {
    use std::os::unix::fs::MetadataExt;
    metadata.blocks() * 512
}

/// Uses are recorded as access times, set explicitly: that works whatever the mount options say.
fn last_use(metadata: &Metadata) -> SystemTime {
    metadata.accessed().unwrap_or(SystemTime::UNIX_EPOCH)
}

fn list(dir: &Path) -> Result<Vec<DirEntry>, StoreError> {
    std::fs::read_dir(dir)
        .and_then(Iterator::collect)
        .at("list", dir)
}

/// Another run may remove what was just listed.
fn present(found: io::Result<Metadata>) -> io::Result<Option<Metadata>> {
    match found {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}
