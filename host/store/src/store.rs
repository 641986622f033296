//! Opening a store: its layout, its version, its settings; and the sources directory.

use crate::error::At;
use crate::noted::Notes;
use crate::scratch::{self, Scratch};
use crate::{StoreError, evict, owner};
use osbuild_wasm_files::dirs::open_root;
use osbuild_wasm_files::inherit_nothing;
use osbuild_wasm_files::resolve::{make_directory, path_of};
use rustix::fs::{AtFlags, CWD, RenameFlags, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};
use rustix::io::Errno;
use serde::Serialize;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// Raised when an older program could no longer understand the layout.
const VERSION: u64 = 1;

/// The first line is fixed by the convention that backup programs follow (bford.info/cachedir).
const CACHEDIR_TAG: &str = "Signature: 8a477f597d28d172789f06886806bc55\n\
    # This directory is a cache of osbuild-wasm; it can be removed when no build is running.\n";

/// Marks a live run; see [`evict`].
pub(crate) const RUN: &str = "run";

/// `store.json`, with whatever else a later program of the same version may have put there.
type Settings = serde_json::Map<String, serde_json::Value>;

const MAXIMUM_SIZE: &str = "maximum-size";

/// An open store. It may be shared between threads, and several processes may have the same one open.
#[derive(Debug)]
pub struct Store {
    dir: PathBuf,
    /// Says since when this run is using sources; freed by the end of the process, however it ends.
    run: Scratch,
    /// What sources looked like when they were verified.
    pub(crate) notes: Mutex<Notes>,
}

impl Store {
    /// Opens the store in `dir`, made if it is missing, and removes the scratch directories of killed runs.
    ///
    /// # Errors
    /// The directory cannot be used, is not the caller's own, or a newer program made it.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let made = make_directory(dir).and_then(|made| path_of(&made));
        let dir = made.at("make", dir)?;
        // Before anything in it is read, or written where a link leads.
        owner::refuse_strangers(&dir, owner::own_id())?;
        let scratch = dir.join("scratch");
        match read_settings(&dir)? {
            Some(settings) => check_version(&dir, &settings)?,
            None => {
                plain(&dir)?;
                make_dir(&scratch, 0o700)?;
                write_new(
                    &scratch,
                    &dir.join("CACHEDIR.TAG"),
                    CACHEDIR_TAG.as_bytes(),
                    false,
                )?;
                write_new(
                    &scratch,
                    &dir.join("store.json"),
                    &to_json(&default_settings()),
                    false,
                )?;
            }
        }
        for name in ["scratch", "objects", "sources"] {
            make_dir(&dir.join(name), 0o700)?;
        }
        plain(&scratch)?;
        owner::close_to_others(&dir.join("sources"))?;
        scratch::sweep(&scratch)?;
        let run = Scratch::create(&scratch, RUN)?;
        let notes = Mutex::default();
        Ok(Self { dir, run, notes })
    }

    /// The store's directory, absolute.
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// A new scratch directory. `purpose` begins its name, for people who look at the store.
    ///
    /// # Errors
    /// `purpose` cannot be part of a file name, or the directory cannot be made.
    pub fn scratch(&self, purpose: &str) -> Result<Scratch, StoreError> {
        check_name(purpose)?;
        Scratch::create(&self.scratch_dir(), purpose)
    }

    /// The directory of the sources of one content type, such as `org.osbuild.files`, made if it is missing.
    ///
    /// # Errors
    /// `content_type` cannot be a file name, or the directory cannot be made.
    pub fn sources(&self, content_type: &str) -> Result<PathBuf, StoreError> {
        check_name(content_type)?;
        let path = self.sources_dir().join(content_type);
        make_dir(&path, 0o755)?;
        Ok(path)
    }

    /// Whether the store has a source. If so it is marked as used, and stays until this store is closed.
    ///
    /// # Errors
    /// `key` cannot be a file name, or the store cannot be read.
    pub fn has_source(&self, content_type: &str, key: &str) -> Result<bool, StoreError> {
        check_name(content_type)?;
        check_name(key)?;
        let path = self.sources_dir().join(content_type).join(key);
        // Most often asked for what is not there yet.
        if rustix::fs::statat(CWD, &path, AtFlags::SYMLINK_NOFOLLOW).err() == Some(Errno::NOENT) {
            return Ok(false);
        }
        let lock = self.sources_lock()?;
        lock.lock_shared().at("lock", &self.dir)?;
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_NOW,
        };
        let keep = Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT,
        };
        let times = Timestamps {
            last_access: now,
            last_modification: keep,
        };
        match rustix::fs::utimensat(CWD, &path, &times, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(error).at("mark as used", &path),
        }
    }

    /// Puts a verified file or directory of a scratch directory among the sources, by rename, and notes what it looks like. If the
    /// key exists already, what is there stays, verified or not, and `from` is left to its scratch directory.
    ///
    /// # Errors
    /// `key` cannot be a file name, or writing failed.
    pub fn put_source(&self, content_type: &str, key: &str, from: &Path) -> Result<(), StoreError> {
        check_name(key)?;
        let path = self.sources(content_type)?.join(key);
        // What has its final name is trusted by later runs: its bytes must be on the disk before.
        flush(from).at("write to the disk", from)?;
        match rustix::fs::renameat_with(CWD, from, CWD, &path, RenameFlags::NOREPLACE) {
            Ok(()) => self.note(content_type, &[key]),
            Err(Errno::EXIST) => self.has_source(content_type, key).map(drop),
            Err(error) => Err(error).at("create", &path),
        }
    }

    /// The largest size the store may have, in bytes of disk; `None` is no limit.
    ///
    /// # Errors
    /// `store.json` cannot be read.
    pub fn limit(&self) -> Result<Option<u64>, StoreError> {
        Ok(read_settings(&self.dir)?.and_then(|settings| settings.get(MAXIMUM_SIZE)?.as_u64()))
    }

    /// Sets the limit for this and later runs, and evicts what is over it. What runs are using stays even so.
    ///
    /// # Errors
    /// `store.json` cannot be written, or something that should go cannot be removed.
    pub fn set_limit(&self, bytes: Option<u64>) -> Result<(), StoreError> {
        let mut settings = read_settings(&self.dir)?.unwrap_or_else(default_settings);
        settings.insert(MAXIMUM_SIZE.to_owned(), bytes.into());
        write_new(
            self.run.path(),
            &self.dir.join("store.json"),
            &to_json(&settings),
            true,
        )?;
        self.enforce_limit()
    }

    /// Evicts what is over the limit; to be called when sources have been added. Commits do it themselves.
    ///
    /// # Errors
    /// Something that should go cannot be removed.
    pub fn enforce_limit(&self) -> Result<(), StoreError> {
        match self.limit()? {
            Some(limit) => evict::make_room(self, limit, 0).map(drop),
            None => Ok(()),
        }
    }

    pub(crate) fn objects_dir(&self) -> PathBuf {
        self.dir.join("objects")
    }

    pub(crate) fn sources_dir(&self) -> PathBuf {
        self.dir.join("sources")
    }

    pub(crate) fn scratch_dir(&self) -> PathBuf {
        self.dir.join("scratch")
    }

    /// When this run began to use the store.
    pub(crate) fn since(&self) -> std::io::Result<std::time::SystemTime> {
        self.run.created()
    }

    /// Held shared while a source is marked as used, exclusively while sources are evicted.
    pub(crate) fn sources_lock(&self) -> Result<File, StoreError> {
        let path = self.dir.join("sources.lock");
        File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .at("open", &path)
    }
}

/// Names become directory entries; no name may lead elsewhere, hide, or be our own.
pub(crate) fn check_name(name: &str) -> Result<(), StoreError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
    // The longest: a source key of SHA-512, "sha512:" and 128 digits.
    if (1..=140).contains(&name.len()) && name.bytes().all(allowed) && !name.starts_with('.') {
        return Ok(());
    }
    Err(StoreError::Name {
        name: name.to_owned(),
    })
}

/// Trees are made in it and below it: what it inherited would end up in them.
fn plain(directory: &Path) -> Result<(), StoreError> {
    let opened = open_root(directory).map_err(std::io::Error::from);
    opened.and_then(inherit_nothing).at("make", directory)
}

/// Makes a directory and those above it, if it is missing.
pub(crate) fn make_dir(path: &Path, mode: u32) -> Result<(), StoreError> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        .at("create", path)
}

/// Writes a file, or everything in a directory, to the disk.
fn flush(path: &Path) -> std::io::Result<()> {
    let file = File::open(path)?;
    if file.metadata()?.is_dir() {
        return Ok(rustix::fs::syncfs(&file)?);
    }
    file.sync_all()
}

pub(crate) fn to_json(value: &impl Serialize) -> Vec<u8> {
    // Plain structs with string keys always serialize.
    let mut text = serde_json::to_vec_pretty(value).unwrap_or_default();
    text.push(b'\n');
    text
}

fn read_settings(dir: &Path) -> Result<Option<Settings>, StoreError> {
    let path = dir.join("store.json");
    match std::fs::read(&path) {
        Ok(text) => serde_json::from_slice(&text)
            .map(Some)
            .map_err(|source| StoreError::Damaged { path, source }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).at("read", &path),
    }
}

fn default_settings() -> Settings {
    let version = ("version".to_owned(), VERSION.into());
    [version, (MAXIMUM_SIZE.to_owned(), serde_json::Value::Null)]
        .into_iter()
        .collect()
}

fn check_version(dir: &Path, settings: &Settings) -> Result<(), StoreError> {
    let found = settings
        .get("version")
        .and_then(serde_json::Value::as_u64)
        .unwrap_or(0);
    if found == VERSION {
        return Ok(());
    }
    Err(StoreError::Version {
        path: dir.to_owned(),
        found,
        known: VERSION,
    })
}

/// Writes a file by rename, complete or not at all; an existing one stays unless `replace`.
fn write_new(scratch: &Path, path: &Path, content: &[u8], replace: bool) -> Result<(), StoreError> {
    let temporary = Scratch::create(scratch, "write")?;
    let draft = temporary.path().join("file");
    let write = |mut file: File| file.write_all(content).and_then(|()| file.sync_all());
    File::create_new(&draft)
        .and_then(write)
        .at("write", &draft)?;
    let flags = if replace {
        RenameFlags::empty()
    } else {
        RenameFlags::NOREPLACE
    };
    match rustix::fs::renameat_with(CWD, &draft, CWD, path, flags) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(error) => Err(error).at("create", path),
    }
}
