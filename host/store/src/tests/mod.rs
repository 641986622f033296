//! Tests on real directories. What needs root is skipped, visibly, for an ordinary user.

mod objects;
mod owner;
mod scratch;
mod sources;

use crate::Store;
use std::path::Path;

pub(crate) fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("store")).unwrap();
    (dir, store)
}

/// Names in a directory, sorted.
pub(crate) fn list(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Scratch entries other than the run's own mark.
pub(crate) fn left_in_scratch(store: &Store) -> Vec<String> {
    list(&store.path().join("scratch"))
        .into_iter()
        .filter(|name| !name.starts_with("run-"))
        .collect()
}
