use super::{left_in_scratch, list, store};
use crate::{Store, StoreError};
use std::fs;

#[test]
fn opening_makes_the_layout_and_opening_again_keeps_it() {
    let (dir, store) = store();
    let root = dir.path().join("store");
    let expected = [
        "CACHEDIR.TAG",
        "objects",
        "scratch",
        "sources",
        "store.json",
    ];
    assert_eq!(list(&root), expected);
    assert!(
        fs::read_to_string(root.join("CACHEDIR.TAG"))
            .unwrap()
            .starts_with("Signature: 8a477f597d28d172789f")
    );
    assert!(store.path().is_absolute());
    let before = fs::read(root.join("store.json")).unwrap();
    Store::open(&root).unwrap();
    assert_eq!(fs::read(root.join("store.json")).unwrap(), before);
}

#[test]
fn a_store_of_a_newer_program_is_refused() {
    let (dir, first) = store();
    drop(first);
    let root = dir.path().join("store");
    fs::write(root.join("store.json"), r#"{"version": 2}"#).unwrap();
    let error = Store::open(&root).unwrap_err();
    assert!(
        matches!(
            error,
            StoreError::Version {
                found: 2,
                known: 1,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn a_damaged_settings_file_is_an_error_that_names_it() {
    let (dir, first) = store();
    drop(first);
    let root = dir.path().join("store");
    fs::write(root.join("store.json"), "{").unwrap();
    assert!(
        Store::open(&root)
            .unwrap_err()
            .to_string()
            .contains("store.json is damaged")
    );
}

#[test]
fn settings_that_are_not_known_survive() {
    let (dir, store) = store();
    let path = dir.path().join("store/store.json");
    fs::write(&path, r#"{"version": 1, "colour": "blue"}"#).unwrap();
    store.set_limit(Some(5_000_000_000)).unwrap();
    assert!(fs::read_to_string(&path).unwrap().contains("blue"));
    assert_eq!(store.limit().unwrap(), Some(5_000_000_000));
    store.set_limit(None).unwrap();
    assert_eq!(store.limit().unwrap(), None);
}

#[test]
fn scratch_goes_with_its_value() {
    let (_dir, store) = store();
    let scratch = store.scratch("tree").unwrap();
    fs::create_dir(scratch.path().join("a")).unwrap();
    fs::write(scratch.path().join("a/b"), "x").unwrap();
    assert_eq!(left_in_scratch(&store).len(), 2);
    drop(scratch);
    assert_eq!(left_in_scratch(&store), [""; 0]);
    drop(store);
}

#[test]
fn scratch_of_a_killed_run_is_swept_and_that_of_a_live_one_is_not() {
    let (dir, first) = store();
    let live = first.scratch("live").unwrap();
    let scratch = first.path().join("scratch");
    // What a killed run leaves: a lock file without a lock, its directory, or a directory alone.
    fs::write(scratch.join("dead-1-0-1.lock"), "").unwrap();
    fs::create_dir_all(scratch.join("dead-1-0-1/tree/etc")).unwrap();
    fs::create_dir_all(scratch.join("orphan-1-0-1/tree")).unwrap();
    let second = Store::open(&dir.path().join("store")).unwrap();
    let names = left_in_scratch(&second);
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(
        names.iter().all(|name| name.starts_with("live-")),
        "{names:?}"
    );
    assert!(live.path().is_dir());
}

#[test]
fn a_store_leaves_nothing_in_scratch_when_it_is_closed() {
    let (dir, store) = store();
    drop(store);
    assert_eq!(list(&dir.path().join("store/scratch")), [""; 0]);
}

#[test]
fn many_threads_get_scratch_directories_of_their_own_while_others_sweep() {
    let (dir, store) = store();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    let scratch = store.scratch("t").unwrap();
                    fs::write(scratch.path().join("mine"), "x").unwrap();
                    assert_eq!(list(scratch.path()), ["mine"]);
                    drop(Store::open(&dir.path().join("store")).unwrap());
                    assert!(scratch.path().join("mine").exists());
                }
            });
        }
    });
    assert_eq!(left_in_scratch(&store), [""; 0]);
}

#[test]
fn names_that_would_lead_elsewhere_are_refused() {
    let (_dir, store) = store();
    for name in [
        "",
        ".",
        "..",
        "../x",
        "a/b",
        ".hidden",
        "a\0b",
        "a b",
        &"x".repeat(141),
    ] {
        assert!(
            matches!(store.scratch(name), Err(StoreError::Name { .. })),
            "{name:?}"
        );
        assert!(
            matches!(store.get(name, ""), Err(StoreError::Name { .. })),
            "{name:?}"
        );
        assert!(
            matches!(store.sources(name), Err(StoreError::Name { .. })),
            "{name:?}"
        );
        assert!(
            matches!(
                store.has_source("org.osbuild.files", name),
                Err(StoreError::Name { .. })
            ),
            "{name:?}"
        );
    }
}
