//! Components that take too much.
use osbuild_wasm_tests::{Ended, Scratch, hostile, machine, manifest};
use serde_json::json;

fn take(scratch: &Scratch, what: &str, seconds: u32) -> Ended {
    let program = hostile::stage(scratch, "resources", json!({ "take": what }));
    program.option("--stage-timeout", seconds.to_string()).run()
}

#[test]
fn endless_memory_ends_at_the_limit() {
    take(&Scratch::new(), "memory", 60)
        .expect(1)
        .says("bytes of memory");
}

#[test]
fn an_endless_loop_ends_at_the_time_limit() {
    let ended = take(&Scratch::new(), "time", 1).expect(1);
    let ended = ended
        .says("the loop begins")
        .says("stopped after 1 s")
        .says("--stage-timeout");
    assert!(ended.took.as_secs() < 10, "it took {:?}", ended.took);
}

#[test]
fn endless_output_ends_at_the_limit() {
    let ended = take(&Scratch::new(), "log", 60);
    assert_eq!(ended.code(), 1);
    assert!(ended.stderr.contains("bytes of log"), "{}", ended.stderr);
    assert!(
        ended.stdout.len() < 100 << 20,
        "{} bytes of log",
        ended.stdout.len()
    );
}

#[test]
fn endless_recursion_is_the_components_crash_not_the_programs() {
    // One fills the stack that lies in the component's memory, the other the engine's.
    for what in ["stack", "calls"] {
        take(&Scratch::new(), what, 60)
            .expect(1)
            .says("the component crashed")
            .never_says("internal error");
    }
}

#[test]
fn a_panic_is_the_components_crash_not_the_programs() {
    take(&Scratch::new(), "panic", 60)
        .expect(1)
        .says("the component's own mistake")
        .never_says("internal error");
}

#[test]
fn a_full_disk_is_said() {
    if !machine::offers(&["unshare", "mount"]) {
        return;
    }
    let scratch = Scratch::new();
    let tree = scratch.directory("tree");
    let arguments = scratch.json("arguments", &json!({ "options": { "take": "disk" } }));
    let script = format!(
        r#"mount -t tmpfs -o size=8m none "{}" && exec "$@""#,
        tree.display()
    );
    osbuild_wasm_tests::program::through_shell_in_namespace(&script, "stage run test.resources")
        .option("--tree", &tree)
        .option("--args", &arguments)
        .option("--libdir", hostile::library())
        .run()
        .expect(1)
        .says("no space left");
}

#[test]
fn the_time_limit_is_in_the_result_document() {
    let scratch = Scratch::new();
    let manifest = manifest::tree(json!([manifest::stage(
        "test.resources",
        json!({ "take": "time" })
    )]));
    let ended = osbuild_wasm_tests::Program::new("run --json --stage-timeout 1 --export tree")
        .option("--libdir", hostile::library())
        .option("--store", scratch.path("store"))
        .option("--output-directory", scratch.path("out"))
        .arg(scratch.json("manifest", &manifest))
        .run()
        .expect(1);
    let result = ended.json();
    assert_eq!(result["success"], false);
    assert!(ended.stdout.contains("time limit"), "{}", ended.stdout);
    assert!(
        !scratch.path("out/tree").exists(),
        "what failed is not exported"
    );
}
