//! Somebody changes the tree while a component works on it.
use osbuild_wasm_tests::{Scratch, hostile::files};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use std::sync::atomic::{AtomicBool, Ordering};

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
