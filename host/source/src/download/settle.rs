//! Giving verified files their final names, many at a time.
//!
//! What has its final name is trusted by later runs, so its bytes must be on the disk before. To wait for the disk
//! for each of thousands of small files takes longer than to download them: they wait together.

use crate::checksum::FILES;
use crate::inline::chain;
use crate::items::Item;
use osbuild_wasm_store::Store;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use std::cell::{Cell, RefCell};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::timeout;

/// How long verified files wait for others; what a killed run may lose.
const INTERVAL: Duration = Duration::from_secs(1);

/// So many files are written to the disk one by one; for more the whole file system is.
const FEW: usize = 8;

/// A complete file with the right content.
#[derive(Debug, Clone)]
pub(super) struct Verified {
    /// Its place among the items.
    pub(super) index: usize,
    pub(super) key: String,
    pub(super) path: PathBuf,
}

/// Takes verified files and writes to their items when they are in the store.
pub(super) struct Settler<'a> {
    store: &'a Store,
    /// Where the files are.
    directory: &'a Path,
    items: &'a RefCell<Vec<Item>>,
    waiting: RefCell<Vec<Verified>>,
    finished: Cell<bool>,
    wake: Notify,
}

impl<'a> Settler<'a> {
    pub(super) fn new(
        store: &'a Store,
        directory: &'a Path,
        items: &'a RefCell<Vec<Item>>,
    ) -> Self {
        Self {
            store,
            directory,
            items,
            waiting: RefCell::default(),
            finished: Cell::new(false),
            wake: Notify::new(),
        }
    }

    pub(super) fn add(&self, verified: Verified) {
        self.waiting.borrow_mut().push(verified);
    }

    /// No more files will come.
    pub(super) fn finish(&self) {
        self.finished.set(true);
        self.wake.notify_one();
    }

    /// Settles files until all are settled.
    pub(super) async fn run(&self) {
        loop {
            let last = self.finished.get();
            let files = self.waiting.take();
            if !files.is_empty() {
                self.settle(files).await;
            }
            if last {
                return;
            }
            // Either way the next round looks for itself.
            let _ = timeout(INTERVAL, self.wake.notified()).await;
        }
    }

    async fn settle(&self, files: Vec<Verified>) {
        let (directory, paths) = (self.directory.to_owned(), files.clone());
        let written = tokio::task::spawn_blocking(move || write_to_disk(&directory, &paths)).await;
        let written = written
            .map_err(std::io::Error::other)
            .flatten()
            .map_err(|error| format!("cannot write it to the disk: {error}"));
        let target = self.store.sources(FILES).map_err(|error| chain(&error));
        let ready = written.and(target);
        for file in files {
            let result = ready
                .as_ref()
                .map_err(String::clone)
                .and_then(|target| self.rename(&file, target));
            let result = result.map(|()| false);
            self.items.borrow_mut()[file.index].result =
                result.map_err(|problem| format!("cannot store {}: {problem}", file.key));
        }
    }

    fn rename(&self, file: &Verified, target: &Path) -> Result<(), String> {
        let path = target.join(&file.key);
        match renameat_with(CWD, &file.path, CWD, &path, RenameFlags::NOREPLACE) {
            Ok(()) => Ok(()),
            // Another run was faster; its file is now used by this one too.
            Err(Errno::EXIST) => self
                .store
                .has_source(FILES, &file.key)
                .map(drop)
                .map_err(|error| chain(&error)),
            Err(error) => Err(format!("cannot create {}: {error}", path.display())),
        }
    }
}

fn write_to_disk(directory: &Path, files: &[Verified]) -> std::io::Result<()> {
    if files.len() > FEW {
        return Ok(rustix::fs::syncfs(File::open(directory)?)?);
    }
    files
        .iter()
        .try_for_each(|file| File::open(&file.path)?.sync_all())
}
