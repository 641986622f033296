use super::{left_in_scratch, list, store};
use crate::{CommitFrom, Details, Object, Store, remove_tree};
use osbuild_wasm_files::CopyOptions;
use serde_json::json;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Commits a tree with one file of `size` bytes that says `text`.
fn commit(store: &Store, id: &str, key: &str, text: &str, size: usize) -> Object {
    let scratch = store.scratch("tree").unwrap();
    let tree = scratch.path().join("tree");
    fs::create_dir(&tree).unwrap();
    fs::write(tree.join("file"), text.to_owned() + &" ".repeat(size)).unwrap();
    let details = Details {
        created: 7,
        metadata: json!({"stage": {"big": 12345678901234567890u64}}),
    };
    let object = store
        .commit(id, key, CommitFrom::Move(tree.clone()), details)
        .unwrap();
    assert!(!tree.exists());
    object
}

fn text(object: &Object) -> String {
    fs::read_to_string(object.tree().join("file"))
        .unwrap()
        .trim()
        .to_owned()
}

fn age(store: &Store, id: &str, seconds: u64) {
    let lock = fs::File::open(store.path().join("objects").join(id).join("lock")).unwrap();
    let time = SystemTime::now() - Duration::from_secs(seconds);
    lock.set_times(fs::FileTimes::new().set_accessed(time).set_modified(time))
        .unwrap();
}

#[test]
fn an_object_is_found_again_with_all_it_carries() {
    let (dir, store) = store();
    assert!(store.get("a1", "k").unwrap().is_none());
    drop(commit(&store, "a1", "k", "hello", 0));
    drop(store);
    let store = Store::open(&dir.path().join("store")).unwrap();
    let object = store.get("a1", "k").unwrap().unwrap();
    assert_eq!(text(&object), "hello");
    assert_eq!(object.metadata()["stage"]["big"], 12345678901234567890u64);
    assert_eq!(object.created(), 7);
    assert!(object.size() >= 4096 && object.is_stored() && object.tree().is_absolute());
    assert!(store.contains("a1", "k").unwrap());
}

#[test]
fn a_copied_tree_stays_where_it_was() {
    let (dir, store) = store();
    let tree = dir.path().join("mine");
    fs::create_dir(&tree).unwrap();
    fs::write(tree.join("file"), "hello").unwrap();
    let from = CommitFrom::Copy(&tree, CopyOptions::default(), &|_| Ok(()));
    let object = store.commit("a1", "k", from, Details::default()).unwrap();
    assert_eq!(text(&object), "hello");
    assert!(tree.join("file").exists());
}

#[test]
fn committing_again_changes_nothing_and_leaks_nothing() {
    let (_dir, store) = store();
    let first = commit(&store, "a1", "k", "first", 0);
    let second = commit(&store, "a1", "k", "second", 0);
    assert_eq!(text(&second), "first");
    assert_eq!(first.tree(), second.tree());
    assert_eq!(list(&store.path().join("objects")), ["a1"]);
    assert_eq!(left_in_scratch(&store), [""; 0]);
}

#[test]
fn another_private_key_is_a_miss_and_a_commit_replaces_the_object() {
    let (_dir, store) = store();
    drop(commit(&store, "a1", "old", "old", 0));
    assert!(!store.contains("a1", "new").unwrap());
    assert_eq!(text(&commit(&store, "a1", "new", "new", 0)), "new");
    assert!(!store.contains("a1", "old").unwrap());
    assert_eq!(text(&store.get("a1", "new").unwrap().unwrap()), "new");
    assert_eq!(left_in_scratch(&store), [""; 0]);
}

#[test]
fn an_object_in_use_is_not_replaced_and_the_new_one_still_serves_its_run() {
    let (_dir, store) = store();
    let old = commit(&store, "a1", "old", "old", 0);
    let new = commit(&store, "a1", "new", "new", 0);
    assert_eq!((text(&old), text(&new)), ("old".into(), "new".into()));
    assert!(!new.is_stored());
    let path = new.tree().to_owned();
    drop(new);
    assert!(!path.exists());
    assert!(store.contains("a1", "old").unwrap());
}

#[test]
fn a_damaged_object_is_a_miss_and_is_replaced() {
    let (_dir, store) = store();
    drop(commit(&store, "a1", "k", "first", 0));
    fs::write(store.path().join("objects/a1/object.json"), "{").unwrap();
    assert!(!store.contains("a1", "k").unwrap());
    assert_eq!(text(&commit(&store, "a1", "k", "second", 0)), "second");
    assert!(store.contains("a1", "k").unwrap());
}

#[test]
fn a_failed_commit_leaves_nothing() {
    let (_dir, store) = store();
    let from = CommitFrom::Copy(
        Path::new("/does/not/exist"),
        CopyOptions::default(),
        &|_| Ok(()),
    );
    assert!(store.commit("a1", "k", from, Details::default()).is_err());
    assert_eq!(list(&store.path().join("objects")), [""; 0]);
    assert_eq!(left_in_scratch(&store), [""; 0]);
}

#[test]
fn many_commits_of_one_object_give_one_object() {
    let (_dir, store) = store();
    std::thread::scope(|scope| {
        for number in 0..8 {
            let store = &store;
            scope.spawn(move || {
                let key = format!("k{}", number % 2);
                for _ in 0..3 {
                    assert_eq!(text(&commit(store, "a1", &key, &key, 0)), key);
                }
            });
        }
    });
    assert_eq!(list(&store.path().join("objects")), ["a1"]);
    assert_eq!(left_in_scratch(&store), [""; 0]);
}

#[test]
fn the_least_recently_used_object_goes_first_and_one_in_use_never() {
    let (_dir, store) = store();
    let held = commit(&store, "held", "k", "x", 400_000);
    for (id, seconds) in [("old", 300), ("older", 400), ("recent", 100)] {
        drop(commit(&store, id, "k", "x", 400_000));
        age(&store, id, seconds);
    }
    age(&store, "held", 500);
    store.set_limit(Some(1_350_000)).unwrap();
    assert_eq!(
        list(&store.path().join("objects")),
        ["held", "old", "recent"]
    );
    drop(commit(&store, "next", "k", "x", 400_000));
    assert_eq!(
        list(&store.path().join("objects")),
        ["held", "next", "recent"]
    );
    assert_eq!(text(&held), "x");
    assert!(store.usage().unwrap().total() <= 1_350_000);
    assert_eq!(left_in_scratch(&store), [""; 0]);
}

#[test]
fn finding_an_object_counts_as_a_use() {
    let (_dir, store) = store();
    for (id, seconds) in [("a", 300), ("b", 200)] {
        drop(commit(&store, id, "k", "x", 400_000));
        age(&store, id, seconds);
    }
    assert!(store.contains("a", "k").unwrap());
    store.set_limit(Some(600_000)).unwrap();
    assert_eq!(list(&store.path().join("objects")), ["a"]);
}

#[test]
fn an_object_larger_than_the_limit_serves_its_run_and_evicts_nothing() {
    let (_dir, store) = store();
    drop(commit(&store, "small", "k", "x", 0));
    store.set_limit(Some(200_000)).unwrap();
    let big = commit(&store, "big", "k", "x", 400_000);
    assert!(!big.is_stored());
    assert_eq!(text(&big), "x");
    assert_eq!(list(&store.path().join("objects")), ["small"]);
}

#[test]
fn usage_is_what_the_disk_says() {
    let (_dir, store) = store();
    drop(commit(&store, "a", "k", "x", 400_000));
    let counted = store.usage().unwrap().objects;
    let measured = crate::disk_usage(&store.path().join("objects/a")).unwrap();
    // object.json and the lock are written after the tree was measured.
    assert!(measured.abs_diff(counted) <= 8192, "{measured} {counted}");
    remove_tree(&store.path().join("objects/a")).unwrap();
    assert_eq!(store.usage().unwrap().total(), 0);
}
