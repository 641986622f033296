//! What a stage costs beside its work: 50 stages that make one directory each, on a warm cache. Prints milliseconds per stage.
//!
//! `cargo bench -p osbuild-wasm-tests` with the program built before (see `OSBUILD_WASM` in the library).
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "the figures are its output")]
use osbuild_wasm_tests::{Program, Scratch, manifest};
use serde_json::{Value, json};
use std::time::Duration;

const STAGES: u32 = 50;
const ROUNDS: usize = 5;

fn main() {
    let stage = |number: u32| {
        manifest::stage(
            "org.osbuild.mkdir",
            json!({ "paths": [{ "path": format!("/{number}") }] }),
        )
    };
    let stages = |count: u32| (0..count).map(stage).collect::<Vec<Value>>();
    let one = median(&stages(1));
    let all = median(&stages(STAGES));
    let each = all.saturating_sub(one) / (STAGES - 1);
    println!(
        "{STAGES} stages: {:.1} ms, one stage: {:.1} ms",
        milliseconds(all),
        milliseconds(one)
    );
    println!("each further stage: {:.2} ms", milliseconds(each));
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// The median time of a run with these stages.
fn median(stages: &[Value]) -> Duration {
    let scratch = Scratch::new();
    let document = scratch.json("manifest", &manifest::tree(stages.into()));
    let mut times: Vec<_> = (0..=ROUNDS)
        .map(|_| {
            let program =
                Program::new("run --export tree --quiet").option("--store", scratch.path("store"));
            program
                .option("--output-directory", scratch.path("out"))
                .arg(&document)
                .run()
                .expect(0)
                .took
        })
        // The first fills the cache of compiled components.
        .skip(1)
        .collect();
    times.sort();
    times[times.len() / 2]
}
