use super::store;
use crate::owner::{own_id, refuse_strangers};
use crate::{Store, StoreError};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;

const STRANGER: u32 = 1001;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_store_of_another_user_is_refused() {
    let (_dir, store) = store();
    let (path, own) = (store.path().display(), own_id());
    let error = refuse_strangers(store.path(), own + 1).unwrap_err();
    let expected = format!(
        "the store {path} belongs to user {own}, and this runs as user {}: use a store of your own (--store)",
        own + 1
    );
    assert_eq!(error.to_string(), expected);
}

#[test]
fn an_entry_of_another_user_is_refused() {
    if own_id() != 0 {
        eprintln!("skipped: only root gives files away");
        return;
    }
    for name in ["store.json", "objects", "sources", "scratch"] {
        let (_dir, store) = store();
        chown(store.path().join(name), Some(STRANGER), None).unwrap();
        let error = Store::open(store.path()).unwrap_err();
        let found = matches!(
            error,
            StoreError::Stranger {
                owner: STRANGER,
                ..
            }
        );
        assert!(found && error.to_string().contains(name), "{error}");
    }
}

#[test]
fn an_entry_that_is_a_link_is_refused_even_one_that_leads_nowhere() {
    for name in ["noted", "unsynced", "sources.lock"] {
        let (dir, store) = store();
        symlink(dir.path().join("missing"), store.path().join(name)).unwrap();
        let error = Store::open(store.path()).unwrap_err();
        let found = matches!(error, StoreError::Link { .. });
        assert!(found && error.to_string().contains(name), "{error}");
    }
}

#[test]
fn a_directory_of_the_caller_becomes_a_store_also_through_a_link() {
    let dir = tempfile::tempdir().unwrap();
    let (place, link) = (dir.path().join("place"), dir.path().join("link"));
    fs::create_dir(&place).unwrap();
    symlink(&place, &link).unwrap();
    drop(Store::open(&link).unwrap());
    let store = Store::open(&link).unwrap();
    assert_eq!(store.path(), fs::canonicalize(&place).unwrap());
}

#[test]
fn sources_are_closed_to_other_users_also_those_of_earlier_programs() {
    let (_dir, store) = store();
    let sources = store.path().join("sources");
    assert_eq!(mode(&sources), 0o700);
    fs::set_permissions(&sources, Permissions::from_mode(0o755)).unwrap();
    Store::open(store.path()).unwrap();
    assert_eq!(mode(&sources), 0o700);
}
