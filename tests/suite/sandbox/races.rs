//! Somebody changes the tree while a component works on it.
use osbuild_wasm_tests::{Program, Scratch, hostile, hostile::files, machine};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const SECRET: &str = "the-secret-of-the-host";

/// Swaps a directory and a link out of the tree all the time while `door` reads and writes through the name.
fn swap_under(door: &str) {
    let scratch = Scratch::new();
    scratch.write("outside/file", SECRET);
    scratch.write("tree/spot/file", "inside");
    scratch.link(scratch.path("outside"), "tree/other");
    let (spot, other) = (scratch.path("tree/spot"), scratch.path("tree/other"));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                renameat_with(CWD, &spot, CWD, &other, RenameFlags::EXCHANGE).expect("exchange");
            }
        });
        let ended = files(
            &scratch,
            &[&format!("{door} race /run/osbuild/tree/spot/file")],
        );
        done.store(true, Ordering::Relaxed);
        ended.expect(0).says("HOSTILE").never_says(SECRET);
    });
    assert_eq!(scratch.read("outside/file"), SECRET);
}

#[test]
fn a_link_swapped_in_during_the_run_does_not_lead_out_by_tree() {
    swap_under("tree");
}

#[test]
fn a_link_swapped_in_during_the_run_does_not_lead_out_by_wasi() {
    swap_under("std");
}

/// Runs programs on `/spot/file` in a stage that may read and change what is in `/spot` alone, while that directory and a link to `/other`
/// change places all the time. Calls that meet the link are refused; `/other` has a secret.
fn programs_under(run: &Value) -> Scratch {
    let scratch = Scratch::new();
    scratch.write("tree/spot/file", "inside");
    scratch.write("tree/other/file", SECRET);
    scratch.link("other", "tree/link");
    let (spot, link) = (scratch.path("tree/spot"), scratch.path("tree/link"));
    let rights = json!([{ "verbs": ["read", "create", "replace"], "paths": ["/spot/**"] }]);
    let library = hostile::with_rights(&scratch, "programs", &rights);
    // A refused call is so quick that all of them would fit between two changes: one of another program takes its time.
    let pause = json!({ "program": "true" });
    let runs: Vec<_> = (0..160).flat_map(|_| [&pause, run]).collect();
    let options = json!({ "options": { "runs": runs } });
    let program = Program::new("stage run test.narrow")
        .option("--libdir", library)
        .option("--tree", scratch.path("tree"))
        .option("--args", scratch.json("arguments", &options));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                renameat_with(CWD, &spot, CWD, &link, RenameFlags::EXCHANGE).expect("exchange");
                // About as long as a call takes, so that many pass the check and meet the other state afterwards.
                std::thread::sleep(Duration::from_millis(3));
            }
        });
        let ended = program.run();
        done.store(true, Ordering::Relaxed);
        let all = ended.all();
        let is_allowed = |line: &str| line.starts_with("cat") && line.contains(": ok");
        assert!(all.lines().any(is_allowed), "{all}");
        ended.never_says(SECRET);
    });
    assert_eq!(scratch.read("tree/other/file"), SECRET);
    scratch
}

#[test]
fn what_a_program_reads_is_what_was_checked_whatever_has_the_name_by_then() {
    if !machine::offers(&[]) {
        return;
    }
    programs_under(&json!({ "program": "cat", "stdin": "/run/osbuild/tree/spot/file" }));
}

#[test]
fn what_a_program_writes_is_what_was_checked_whatever_has_the_name_by_then() {
    if !machine::offers(&[]) {
        return;
    }
    let version = json!({
        "program": "cat",
        "arguments": ["--version"],
        "stdout": "/run/osbuild/tree/spot/file",
    });
    programs_under(&version);
}
