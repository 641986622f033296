//! Stores on mounts that take something away.
use osbuild_wasm_tests::program::through_shell_in_namespace;
use osbuild_wasm_tests::{Scratch, hostile, machine, manifest};
use serde_json::json;

#[test]
fn a_store_on_a_read_only_bind_mount_is_not_written() {
    if !machine::offers(&["unshare", "mount"]) {
        return;
    }
    let scratch = Scratch::new();
    let store = scratch.directory("store");
    let file = scratch.json("manifest.json", &manifest::two_modules("a"));
    let directory = store.display();
    let script = format!(
        "mount --bind {directory} {directory} && mount -o remount,bind,ro {directory} && exec \"$@\""
    );
    through_shell_in_namespace(&script, "run --export tree --checkpoint tree --quiet")
        .option("--store", &store)
        .option("--output-directory", scratch.path("out"))
        .arg(file)
        .run()
        .expect(1)
        .says("Read-only file system");
    assert_eq!(std::fs::read_dir(&store).expect("the store").count(), 0);
}

#[test]
fn what_the_mount_of_a_store_takes_away_stays_away() {
    if !machine::offers(&["unshare", "mount"]) {
        return;
    }
    let scratch = Scratch::new();
    let store = scratch.directory("store");
    let stages = json!([
        manifest::hostname("a"),
        manifest::stage("test.resources", json!({ "take": "time" }))
    ]);
    let directory = store.display();
    let script = format!(
        "mount --bind {directory} {directory} && mount -o remount,bind,nosuid,noexec,noatime {directory} && exec \"$@\""
    );
    let mut running = through_shell_in_namespace(
        &script,
        "run --quiet --export tree --checkpoint org.osbuild.hostname",
    )
    .option("--libdir", hostile::library())
    .option("--store", &store)
    .option("--output-directory", scratch.path("out"))
    .arg(scratch.json("manifest.json", &manifest::tree(stages)))
    .start();
    // The first stage is kept; the second one does not end.
    while std::fs::read_dir(store.join("objects")).map_or(0, Iterator::count) == 0 {
        assert!(!running.has_ended(), "it fails");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let table = std::fs::read_to_string(format!(
        "/proc/{}/mountinfo",
        running.pid().as_raw_nonzero()
    ))
    .expect("it runs");
    drop(running);
    let mounts: Vec<_> = table
        .lines()
        .filter(|line| line.contains(&format!(" {directory} ")))
        .collect();
    // The mount of the test, and on top of it that of the run.
    assert_eq!(mounts.len(), 2, "{table}");
    for flag in ["nosuid", "noexec", "noatime", "nodev"] {
        assert!(mounts[1].contains(flag), "{flag} in {}", mounts[1]);
    }
}
