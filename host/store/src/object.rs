//! Objects: finished trees with what their stages reported, found again by id and private key.

use crate::dirs::open_root;
use crate::error::At;
use crate::scratch::{Scratch, try_lock, try_lock_shared};
use crate::store::{Store, check_name, make_dir, to_json};
use crate::{StoreError, disk_usage, evict, remove_tree};
use osbuild_wasm_files::{CopyOptions, CopyReport, copy_tree};
use rustix::fs::{CWD, RenameFlags, Timespec, Timestamps, UTIME_NOW};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fs::File;
use std::path::{Path, PathBuf};

/// What `object.json` holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Record {
    id: String,
    private_key: String,
    created: i64,
    /// Bytes of disk, the object's own files included.
    pub(crate) size: u64,
    metadata: Value,
}

/// What an object carries beside its tree.
#[derive(Debug, Clone, Default)]
pub struct Details {
    /// When the building of the tree began, in seconds since 1970. A build that goes on from this object keeps it.
    pub created: i64,
    /// What the stages reported: an object of stage id to JSON value, or null.
    pub metadata: Value,
}

/// Where the tree of a new object comes from.
#[expect(missing_debug_implementations, reason = "a function has none")]
pub enum CommitFrom<'a> {
    /// A directory of the store's file system, usually a scratch directory; it is renamed and is gone after the commit.
    Move(PathBuf),
    /// A directory that stays as it is and is copied; extended attributes that cannot be copied are an error. The function is called
    /// with the copy before another process sees it.
    Copy(
        &'a Path,
        CopyOptions<'a>,
        &'a dyn Fn(&Path) -> std::io::Result<()>,
    ),
}

/// An object in use. While this value lives, the object is neither evicted nor replaced, by any process.
#[derive(Debug)]
pub struct Object {
    record: Record,
    tree: PathBuf,
    /// Held, not read.
    _lock: File,
    /// Of an object that could not be stored: its files, which go with it.
    floating: Option<Scratch>,
}

impl Object {
    /// The directory with the tree, absolute. It must not be changed.
    pub fn tree(&self) -> &Path {
        &self.tree
    }

    /// What the stages reported: an object of stage id to JSON value, or null.
    pub fn metadata(&self) -> &Value {
        &self.record.metadata
    }

    /// When the building of the tree began, in seconds since 1970.
    pub fn created(&self) -> i64 {
        self.record.created
    }

    /// Bytes of disk it takes.
    pub fn size(&self) -> u64 {
        self.record.size
    }

    /// False for an object that lives only as long as this value: it is larger than the limit of the store allows,
    /// or another run is using an object with the same id and another private key.
    pub fn is_stored(&self) -> bool {
        self.floating.is_none()
    }

    fn open(dir: &Path, floating: Option<Scratch>) -> Result<Option<Self>, StoreError> {
        let lock_path = dir.join("lock");
        let Some(lock) = try_lock_shared(&lock_path).at("lock", &lock_path)? else {
            return Ok(None);
        };
        let Some(record) = read_record(dir)? else {
            return Ok(None);
        };
        Ok(Some(Self {
            record,
            tree: dir.join("tree"),
            _lock: lock,
            floating,
        }))
    }
}

impl Store {
    /// Whether there is an object with this id and private key. If so, that counts as a use of it.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub fn contains(&self, id: &str, private_key: &str) -> Result<bool, StoreError> {
        Ok(self.get(id, private_key)?.is_some())
    }

    /// The object with this id and private key. An object that is just being evicted or replaced, or whose
    /// description cannot be read, counts as missing.
    ///
    /// # Errors
    /// `id` cannot be a file name, or the store cannot be read.
    pub fn get(&self, id: &str, private_key: &str) -> Result<Option<Object>, StoreError> {
        check_name(id)?;
        let object = Object::open(&self.objects_dir().join(id), None)?;
        Ok(object
            .filter(|object| object.record.private_key == private_key)
            .inspect(|object| {
                let now = Timespec {
                    tv_sec: 0,
                    tv_nsec: UTIME_NOW,
                };
                // A store that may only be read keeps no record of uses.
                let _ = rustix::fs::futimens(
                    &object._lock,
                    &Timestamps {
                        last_access: now,
                        last_modification: now,
                    },
                );
            }))
    }

    /// Makes an object. It appears complete and written to the disk, or not at all. If there is one with the same id
    /// and private key already, that one is returned and `from` goes; one with another private key is replaced.
    ///
    /// # Errors
    /// `id` cannot be a file name, the tree cannot be moved or copied completely, or the disk is full.
    pub fn commit(
        &self,
        id: &str,
        private_key: &str,
        from: CommitFrom<'_>,
        details: Details,
    ) -> Result<Object, StoreError> {
        if let Some(object) = self.get(id, private_key)? {
            if let CommitFrom::Move(path) = from {
                remove_tree(&path)?;
            }
            return Ok(object);
        }
        let scratch = self.scratch("object")?;
        let draft = scratch.path().join("object");
        make_dir(&draft, 0o700)?;
        fill(&draft.join("tree"), from)?;
        let record = Record {
            id: id.to_owned(),
            private_key: private_key.to_owned(),
            created: details.created,
            size: disk_usage(&draft)?,
            metadata: details.metadata,
        };
        describe(&draft, &record)?;
        if let Some(limit) = self.limit()?
            && !evict::make_room(self, limit, record.size)?
        {
            return floating(scratch);
        }
        self.install(scratch, &draft, record)
    }

    /// Gives a complete draft its place among the objects.
    fn install(
        &self,
        scratch: Scratch,
        draft: &Path,
        record: Record,
    ) -> Result<Object, StoreError> {
        let target = self.objects_dir().join(&record.id);
        rustix::fs::syncfs(open_root(draft).at("open", draft)?).at("write to the disk", draft)?;
        // Locked before it has its name, so that no process can evict it before it is returned.
        let lock_path = draft.join("lock");
        let lock = try_lock_shared(&lock_path).at("lock", &lock_path)?;
        let lock = lock.ok_or(Errno::AGAIN).at("lock", &lock_path)?;
        let mut old = None;
        let renamed =
            match rustix::fs::renameat_with(CWD, draft, CWD, &target, RenameFlags::NOREPLACE) {
                Err(Errno::EXIST) => {
                    if let Some(object) = self.get(&record.id, &record.private_key)? {
                        return Ok(object); // Another run was faster; ours goes with its scratch directory.
                    }
                    let old_lock = target.join("lock");
                    old = try_lock(&old_lock).at("lock", &old_lock)?;
                    if old.is_none() && old_lock.exists() {
                        return floating(scratch);
                    }
                    rustix::fs::renameat_with(CWD, draft, CWD, &target, RenameFlags::EXCHANGE)
                }
                other => other,
            };
        renamed.at("create", &target)?;
        drop(old);
        let objects = self.objects_dir();
        open_root(&objects)
            .and_then(rustix::fs::fsync)
            .at("write to the disk", &objects)?;
        Ok(Object {
            record,
            tree: target.join("tree"),
            _lock: lock,
            floating: None,
        })
    }
}

fn fill(tree: &Path, from: CommitFrom<'_>) -> Result<(), StoreError> {
    match from {
        CommitFrom::Move(path) => std::fs::rename(&path, tree).at("move into the store", &path),
        CommitFrom::Copy(path, options, complete) => {
            refuse_losses(path, copy_tree(path, tree, options)?)?;
            complete(tree).at("complete the copy in", tree)
        }
    }
}

/// An error if the copy of `from` is not complete: what is built on it would not be what the manifest says.
///
/// # Errors
/// An extended attribute was lost.
pub fn refuse_losses(from: &Path, report: CopyReport) -> Result<(), StoreError> {
    match report.lost_xattrs.into_iter().next() {
        Some((name, loss)) => Err(StoreError::LostXattr {
            name: name.to_string_lossy().into_owned(),
            path: from.join(loss.first),
            files: loss.files,
            source: loss.error,
        }),
        None => Ok(()),
    }
}

fn describe(dir: &Path, record: &Record) -> Result<(), StoreError> {
    let (info, lock) = (dir.join("object.json"), dir.join("lock"));
    std::fs::write(&info, to_json(record)).at("write", &info)?;
    File::create_new(&lock).map(drop).at("create", &lock)
}

fn floating(scratch: Scratch) -> Result<Object, StoreError> {
    let dir = scratch.path().join("object");
    let object = Object::open(&dir, Some(scratch))?;
    object.ok_or(Errno::NOENT).at("open", &dir)
}

/// The description of an object; `None` if there is none that can be understood.
pub(crate) fn read_record(dir: &Path) -> Result<Option<Record>, StoreError> {
    let path = dir.join("object.json");
    match std::fs::read(&path) {
        Ok(text) => Ok(serde_json::from_slice(&text).ok()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).at("read", &path),
    }
}
