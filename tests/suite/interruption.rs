//! Ctrl-C, termination, and `kill -9` of everything.
use osbuild_wasm_tests::{Program, Running, Scratch, hostile, machine, manifest, program::Ended};
use rustix::process::Signal;
use serde_json::json;
use std::time::Duration;

/// A run of a stage that does not end by itself: in the component, or in a program that it runs.
fn endless(scratch: &Scratch, module: &str, monitor: &str) -> Running {
    let options = match module {
        "test.resources" => json!({ "take": "time" }),
        _ => json!({ "runs": [{ "program": "sleep", "arguments": ["300"] }] }),
    };
    let stages = json!([
        manifest::hostname("before"),
        manifest::stage(module, options)
    ]);
    let running = Program::new(&format!(
        "run {monitor} --export tree --checkpoint org.osbuild.hostname"
    ))
    .option("--libdir", hostile::library())
    .option("--store", scratch.path("store"))
    .option("--output-directory", scratch.path("out"))
    .arg(scratch.json("manifest", &manifest::tree(stages)))
    .start();
    // The first stage is kept; then the second one runs.
    let objects = scratch.path("store/objects");
    while std::fs::read_dir(&objects).map_or(0, Iterator::count) == 0 {
        std::thread::sleep(Duration::from_millis(10));
    }
    std::thread::sleep(Duration::from_millis(300));
    running
}

/// It ended at once with the exit code of an interruption, left nothing, and what was built before is used again.
fn interrupted(scratch: &Scratch, running: Running, send: impl FnOnce(&Running)) {
    send(&running);
    let sent = std::time::Instant::now();
    let ended = running.wait().expect(130);
    assert!(
        sent.elapsed() < Duration::from_secs(5),
        "it took {:?}",
        sent.elapsed()
    );
    ended.never_says("internal error").never_says("panicked");
    machine::assert_nothing_left(scratch.root());
    assert!(!scratch.path("out/tree").exists());
    let again = manifest::tree(json!([manifest::hostname("before")]));
    let ended = Program::new("run --json --export tree")
        .option("--store", scratch.path("store"))
        .option("--output-directory", scratch.path("out"))
        .arg(scratch.json("again", &again))
        .run()
        .expect(0);
    assert_eq!(ended.json()["log"], json!({}), "nothing had to be built");
}

#[test]
fn ctrl_c_ends_a_component_at_once() {
    let scratch = Scratch::new();
    let running = endless(&scratch, "test.resources", "");
    interrupted(&scratch, running, |running| {
        running.signal_group(Signal::INT)
    });
}

#[test]
fn termination_ends_a_component_at_once() {
    let scratch = Scratch::new();
    let running = endless(&scratch, "test.resources", "");
    interrupted(&scratch, running, |running| running.signal(Signal::TERM));
}

#[test]
fn ctrl_c_ends_a_program_at_once() {
    if !machine::offers(&[]) {
        return;
    }
    let scratch = Scratch::new();
    let running = endless(&scratch, "test.programs", "");
    interrupted(&scratch, running, |running| {
        running.signal_group(Signal::INT)
    });
}

#[test]
fn termination_ends_a_program_at_once() {
    if !machine::offers(&[]) {
        return;
    }
    let scratch = Scratch::new();
    let running = endless(&scratch, "test.programs", "");
    interrupted(&scratch, running, |running| running.signal(Signal::TERM));
}

#[test]
fn ctrl_c_ends_a_single_stage_at_once() {
    let scratch = Scratch::new();
    let running = hostile::stage(&scratch, "resources", json!({ "take": "time" })).start();
    std::thread::sleep(Duration::from_millis(1500));
    running.signal_group(Signal::INT);
    let ended = running.wait().expect(130);
    assert!(
        ended.took < Duration::from_secs(6),
        "it took {:?}",
        ended.took
    );
}

#[test]
fn ctrl_c_ends_a_download_at_once() {
    // A server that accepts and never answers.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback");
    let url = format!("http://{}/hello", listener.local_addr().expect("bound"));
    let scratch = Scratch::new();
    let mut document = manifest::tree(json!([manifest::hostname("a")]));
    document["sources"] = json!({ "org.osbuild.curl": { "items": { manifest::HELLO: url } } });
    let running = Program::new("run --export tree")
        .option("--store", scratch.path("store"))
        .option("--output-directory", scratch.path("out"))
        .arg(scratch.json("manifest", &document))
        .start();
    let _connection = listener.accept().expect("it downloads");
    std::thread::sleep(Duration::from_millis(200));
    running.signal_group(Signal::INT);
    let ended = running.wait().expect(130);
    assert!(
        ended.took < Duration::from_secs(5),
        "it took {:?}",
        ended.took
    );
}

#[test]
fn an_interrupted_run_with_json_still_gives_a_document() {
    let scratch = Scratch::new();
    let running = endless(&scratch, "test.resources", "--json");
    running.signal_group(Signal::INT);
    assert_eq!(running.wait().expect(130).json()["success"], false);
}

fn disk(scratch: &Scratch) -> Program {
    Program::new("run --export image --checkpoint *")
        .option("--store", scratch.path("store"))
        .option("--output-directory", scratch.path("out"))
        .arg(scratch.json("manifest", &manifest::disk()))
}

/// The file system of the disk image holds what the manifest says.
#[track_caller]
fn assert_disk(scratch: &Scratch) {
    let image = format!(
        "{}?offset={}",
        scratch.path("out/image/disk.img").display(),
        manifest::PARTITION
    );
    let shown = std::process::Command::new("debugfs")
        .args(["-R", "cat /etc/hostname", &image])
        .output()
        .expect("debugfs");
    assert_eq!(
        String::from_utf8_lossy(&shown.stdout),
        "small\n",
        "{}",
        String::from_utf8_lossy(&shown.stderr)
    );
    let checked = std::process::Command::new("e2fsck")
        .args(["-f", "-n", &image])
        .output()
        .expect("e2fsck");
    assert!(
        checked.status.success(),
        "{}",
        String::from_utf8_lossy(&checked.stdout)
    );
}

#[test]
fn mounts_of_a_run_are_private_to_it() {
    if !machine::offers(&["sfdisk", "mkfs.ext4"]) {
        return;
    }
    let scratch = Scratch::new();
    let mut running = disk(&scratch).start();
    while !running.has_ended() {
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").expect("own mounts");
        assert!(
            !mounts.contains(&*scratch.root().to_string_lossy()),
            "{mounts}"
        );
        std::thread::sleep(Duration::from_millis(2));
    }
    running.wait().expect(0);
}

#[test]
fn kill_9_ends_the_program_of_a_source_too() {
    let scratch = Scratch::new();
    let started = scratch.path("started");
    let script = format!("#!/bin/sh\nexec tail -f \"$0\" >{}\n", started.display());
    let skopeo = scratch.write("programs/skopeo", &script);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&skopeo, mode).expect("our file");
    let id = format!("sha256:{}", "0".repeat(64));
    let image = json!({ "name": "localhost:1/x", "digest": id });
    let mut document = manifest::tree(json!([manifest::hostname("a")]));
    document["sources"] = json!({ "org.osbuild.skopeo": { "items": { id: { "image": image } } } });
    let path = std::env::var("PATH").expect("a path");
    let mut running = Program::new("run --export tree")
        .option("--store", scratch.path("store"))
        .option("--output-directory", scratch.path("out"))
        .env(
            "PATH",
            format!("{}:{path}", scratch.path("programs").display()),
        )
        .arg(scratch.json("manifest", &document))
        .start();
    while !started.exists() {
        assert!(!running.has_ended(), "it fails");
        std::thread::sleep(Duration::from_millis(10));
    }
    running.signal_group(Signal::KILL);
    machine::assert_nothing_left(scratch.root());
}

#[test]
fn kill_9_at_any_moment_leaves_no_mount_no_loop_device_and_no_broken_object() {
    if !machine::offers(&["sfdisk", "mkfs.ext4", "debugfs", "e2fsck"]) {
        return;
    }
    let mut whole = {
        let scratch = Scratch::new();
        let ended = disk(&scratch).run().expect(0);
        assert_disk(&scratch);
        machine::assert_nothing_left(scratch.root());
        ended.took
    };
    let scratch = Scratch::new();
    let mut killed = 0;
    for moment in (1..=10_u32).chain(1..=10) {
        // What was kept before the last kill is kept: without it each run begins anew.
        if moment % 3 == 0 {
            std::fs::remove_dir_all(scratch.path("store")).expect("own directory");
        }
        let mut running = disk(&scratch).start();
        std::thread::sleep(whole * moment / 11);
        if running.has_ended() {
            // With what was kept, and when the machine has less to do, it takes less time.
            whole = whole * 2 / 3;
            continue;
        }
        running.signal_group(Signal::KILL);
        let ended: Ended = running.wait();
        killed += u32::from(ended.code() == 137);
        machine::assert_nothing_left(scratch.root());
    }
    assert!(
        killed >= 3,
        "only {killed} runs were killed in their middle"
    );
    disk(&scratch).run().expect(0);
    assert_disk(&scratch);
    machine::assert_nothing_left(scratch.root());
    let scratch_left = std::fs::read_dir(scratch.path("store/scratch"))
        .expect("a store")
        .count();
    assert_eq!(
        scratch_left, 0,
        "what killed runs left over is removed by the next"
    );
}
