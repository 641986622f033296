//! Giving verified files their final names, many at a time, beside the download of others.
//!
//! What has its final name is trusted by later runs. Until its bytes are on the disk, which the run does not wait for, a mark in the store
//! says so ([`Unsynced`]).

use crate::checksum::{Checksum, FILES};
use crate::items::Item;
use crate::stored::has_file;
use osbuild_wasm_files::with_causes;
use osbuild_wasm_store::{Store, Unsynced};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::thread;
use tokio::sync::Notify;
use tokio::task::spawn_blocking;

/// A complete file with the right content.
#[derive(Debug, Clone)]
pub(super) struct Verified {
    /// Its place among the items.
    pub(super) index: usize,
    pub(super) key: String,
    pub(super) path: PathBuf,
}

/// Takes verified files and writes to their items when they are in the store.
pub(super) struct Committer<'a> {
    store: &'a Store,
    items: &'a RefCell<Vec<Item>>,
    waiting: RefCell<Vec<Verified>>,
    finished: Cell<bool>,
    wake: Notify,
}

impl<'a> Committer<'a> {
    pub(super) fn new(store: &'a Store, items: &'a RefCell<Vec<Item>>) -> Self {
        Self {
            store,
            items,
            waiting: RefCell::default(),
            finished: Cell::new(false),
            wake: Notify::new(),
        }
    }

    pub(super) fn add(&self, verified: Verified) {
        self.waiting.borrow_mut().push(verified);
        self.wake.notify_one();
    }

    /// No more files will come.
    pub(super) fn finish(&self) {
        self.finished.set(true);
        self.wake.notify_one();
    }

    /// Commits files until all are committed.
    pub(super) async fn run(&self) {
        let ready = self.prepare().await;
        loop {
            let last = self.finished.get();
            let files = self.waiting.take();
            if !files.is_empty() {
                self.commit(files, ready.as_ref().map(|(target, _)| target))
                    .await;
            }
            if last {
                break;
            }
            self.wake.notified().await;
        }
        if let Ok((_, unsynced)) = ready {
            // While the run goes on. Should it end before, or the disk not take it, the mark stays.
            _ = thread::Builder::new().spawn(|| unsynced.sync());
        }
    }

    /// The directory that files go into, and the mark that they may not be on the disk.
    async fn prepare(&self) -> Result<(PathBuf, Unsynced), String> {
        let target = self
            .store
            .sources(FILES)
            .map_err(|error| with_causes(&error))?;
        let store = self.store.path().to_owned();
        let unsynced = spawn_blocking(move || Unsynced::begin(&store)).await;
        let unsynced = unsynced.map_err(|error| error.to_string())?;
        Ok((target, unsynced.map_err(|error| with_causes(&error))?))
    }

    async fn commit(&self, files: Vec<Verified>, target: Result<&PathBuf, &String>) {
        let (target, paths) = (target.cloned().map_err(String::clone), files.clone());
        let work = move || {
            let target = target?;
            Ok(paths.iter().map(|file| rename(file, &target)).collect())
        };
        let ended: Result<Vec<_>, String> = spawn_blocking(work)
            .await
            .map_err(|error| error.to_string())
            .flatten();
        let noted = ended
            .as_ref()
            .map_or(Ok(()), |ended| self.note(&files, ended));
        for (number, file) in files.iter().enumerate() {
            let renamed = ended.as_ref().map(|renamed| renamed[number]);
            let result = renamed.map_err(String::clone);
            let result = result.and_then(|renamed| self.committed(file, renamed));
            let result = result.and_then(|cached| noted.clone().map(|()| cached));
            self.items.borrow_mut()[file.index].result =
                result.map_err(|problem| format!("cannot store {}: {problem}", file.key));
        }
    }

    /// Notes what the files look like that have got their names.
    fn note(&self, files: &[Verified], ended: &[Result<(), Errno>]) -> Result<(), String> {
        let renamed = files.iter().zip(ended).filter(|(_, ended)| ended.is_ok());
        let keys: Vec<_> = renamed.map(|(file, _)| file.key.as_str()).collect();
        let noted = self.store.note(FILES, &keys);
        noted.map_err(|error| with_causes(&error))
    }

    /// What became of a file: it was not there before.
    fn committed(&self, file: &Verified, renamed: Result<(), Errno>) -> Result<bool, String> {
        match renamed {
            Ok(()) => Ok(false),
            // Another run was faster; its file is now used by this one too.
            Err(Errno::EXIST) => Checksum::parse(&file.key).and_then(|checksum| {
                match has_file(self.store, &checksum)? {
                    true => Ok(false),
                    false => Err("another run stored something else: run again".to_owned()),
                }
            }),
            Err(error) => Err(format!("cannot give it its name: {error}")),
        }
    }
}

fn rename(file: &Verified, target: &Path) -> Result<(), Errno> {
    let path = target.join(&file.key);
    renameat_with(CWD, &file.path, CWD, &path, RenameFlags::NOREPLACE)
}
