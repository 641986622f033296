use super::{left_in_scratch, list, store};
use crate::Store;
use std::fs;
use std::time::{Duration, SystemTime};

const FILES: &str = "org.osbuild.files";

fn put(store: &Store, key: &str, size: usize) {
    let scratch = store.scratch("download").unwrap();
    let path = scratch.path().join("file");
    fs::write(&path, vec![b'x'; size]).unwrap();
    store.put_source(FILES, key, &path).unwrap();
}

fn age(store: &Store, key: &str, seconds: u64) {
    let time = SystemTime::now() - Duration::from_secs(seconds);
    let file = fs::File::open(store.sources(FILES).unwrap().join(key)).unwrap();
    file.set_times(fs::FileTimes::new().set_accessed(time))
        .unwrap();
}

#[test]
fn a_source_is_there_after_it_was_put_and_the_first_one_stays() {
    let (_dir, store) = store();
    assert!(!store.has_source(FILES, "sha256:aa").unwrap());
    put(&store, "sha256:aa", 3);
    put(&store, "sha256:aa", 5);
    assert!(store.has_source(FILES, "sha256:aa").unwrap());
    assert_eq!(
        fs::metadata(store.sources(FILES).unwrap().join("sha256:aa"))
            .unwrap()
            .len(),
        3
    );
    assert_eq!(left_in_scratch(&store), [""; 0]);
}

#[test]
fn a_source_may_be_a_directory() {
    let (_dir, store) = store();
    let scratch = store.scratch("download").unwrap();
    fs::create_dir(scratch.path().join("image")).unwrap();
    store
        .put_source(
            "org.osbuild.containers",
            "sha256:bb",
            &scratch.path().join("image"),
        )
        .unwrap();
    assert!(
        store
            .has_source("org.osbuild.containers", "sha256:bb")
            .unwrap()
    );
}

#[test]
fn sources_of_this_run_stay_and_older_ones_go_by_last_use() {
    let (_dir, store) = store();
    for (key, seconds) in [("a", 300), ("b", 200), ("used", 400)] {
        put(&store, key, 400_000);
        age(&store, key, seconds);
    }
    put(&store, "new", 400_000);
    let before = fs::metadata(store.sources(FILES).unwrap().join("used"))
        .unwrap()
        .modified()
        .unwrap();
    assert!(store.has_source(FILES, "used").unwrap());
    store.set_limit(Some(1_300_000)).unwrap();
    assert_eq!(list(&store.sources(FILES).unwrap()), ["b", "new", "used"]);
    store.set_limit(Some(10)).unwrap();
    assert_eq!(list(&store.sources(FILES).unwrap()), ["new", "used"]);
    let after = fs::metadata(store.sources(FILES).unwrap().join("used"))
        .unwrap()
        .modified()
        .unwrap();
    assert_eq!(before, after, "a use must not show in what a stage copies");
}

#[test]
fn what_another_live_run_used_stays_until_that_run_ends() {
    let (dir, first) = store();
    put(&first, "mine", 400_000);
    std::thread::sleep(Duration::from_millis(20));
    let second = Store::open(&dir.path().join("store")).unwrap();
    second.set_limit(Some(10)).unwrap();
    assert!(first.has_source(FILES, "mine").unwrap());
    drop(first);
    std::thread::sleep(Duration::from_millis(20));
    let third = Store::open(&dir.path().join("store")).unwrap();
    drop(second);
    third.enforce_limit().unwrap();
    assert!(!third.has_source(FILES, "mine").unwrap());
}
