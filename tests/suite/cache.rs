//! The cache of compiled components: a forged entry never runs.
use osbuild_wasm_tests::{Program, Scratch, manifest};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;

/// Builds a tree with two modules using the cache `cache` of the scratch directory, and checks it.
#[track_caller]
fn build(scratch: &Scratch) {
    _ = fs::remove_dir_all(scratch.path("out"));
    Program::new("run --export tree --quiet")
        .env("XDG_CACHE_HOME", scratch.path("cache"))
        .option("--store", scratch.path("store"))
        .option("--output-directory", scratch.path("out"))
        .arg(scratch.json("manifest", &manifest::two_modules("cached")))
        .run()
        .expect(0);
    assert!(scratch.path("out/tree/made").is_dir());
    assert_eq!(scratch.read("out/tree/etc/hostname"), "cached\n");
}

/// The compiled components.
fn entries(scratch: &Scratch) -> Vec<PathBuf> {
    let entries = fs::read_dir(scratch.path("cache/osbuild-wasm"))
        .into_iter()
        .flatten()
        .flatten();
    let mut entries: Vec<_> = entries
        .map(|entry| entry.path())
        .filter(|path| !path.ends_with("key"))
        .collect();
    entries.sort();
    entries
}

#[test]
fn compiled_code_is_kept_for_its_user_alone_and_used_again() {
    let scratch = Scratch::new();
    build(&scratch);
    let directory = fs::metadata(scratch.path("cache/osbuild-wasm")).expect("the cache");
    assert_eq!(directory.mode() & 0o777, 0o700);
    let kept = entries(&scratch);
    assert_eq!(kept.len(), 2);
    let inodes = || {
        kept.iter()
            .map(|path| fs::metadata(path).expect("an entry").ino())
            .collect::<Vec<_>>()
    };
    let before = inodes();
    assert!(
        kept.iter()
            .all(|path| fs::metadata(path).expect("an entry").mode() & 0o077 == 0)
    );
    build(&scratch);
    assert_eq!(inodes(), before, "nothing was compiled again");
}

#[test]
fn a_changed_entry_is_not_run() {
    let scratch = Scratch::new();
    build(&scratch);
    for path in entries(&scratch) {
        let mut code = fs::read(&path).expect("an entry");
        let middle = code.len() / 2;
        for byte in &mut code[middle..middle + 4096] {
            *byte ^= 0xff;
        }
        fs::write(&path, code).expect("an entry");
    }
    build(&scratch);
}

#[test]
fn an_entry_of_another_component_is_not_run() {
    let scratch = Scratch::new();
    build(&scratch);
    let kept = entries(&scratch);
    let (first, second) = (
        fs::read(&kept[0]).expect("an entry"),
        fs::read(&kept[1]).expect("an entry"),
    );
    fs::write(&kept[0], second).expect("an entry");
    fs::write(&kept[1], first).expect("an entry");
    build(&scratch);
}

#[test]
fn a_cut_or_empty_entry_is_not_run() {
    let scratch = Scratch::new();
    build(&scratch);
    let kept = entries(&scratch);
    fs::write(&kept[0], b"").expect("an entry");
    let half = fs::read(&kept[1]).expect("an entry");
    fs::write(&kept[1], &half[..half.len() / 2]).expect("an entry");
    build(&scratch);
}

#[test]
fn entries_under_another_key_are_not_run() {
    let scratch = Scratch::new();
    build(&scratch);
    fs::write(scratch.path("cache/osbuild-wasm/key"), [7; 32]).expect("the key");
    build(&scratch);
}

#[test]
fn a_cache_that_others_can_write_is_left_alone() {
    let scratch = Scratch::new();
    let directory = scratch.directory("cache/osbuild-wasm");
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o777)).expect("own directory");
    build(&scratch);
    assert_eq!(fs::read_dir(&directory).expect("the cache").count(), 0);
}

#[test]
fn compiled_code_of_a_plugin_directory_is_never_loaded() {
    let scratch = Scratch::new();
    scratch.write("library/stages/mkdir.cwasm", "native code");
    Program::new("stage list")
        .option("--libdir", scratch.path("library"))
        .run()
        .expect(0)
        .never_says("cwasm");
}
