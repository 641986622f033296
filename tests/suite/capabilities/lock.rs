//! `osbuild-wasm lock` and `run --locked`.
use super::{assert_fits, manifest, plugin};
use osbuild_wasm_tests::text::steady;
use osbuild_wasm_tests::{Program, Scratch, manifest as small};
use serde_json::{Value, json};
use std::path::Path;

/// A manifest with one stage and its lock file.
fn locked(scratch: &Scratch) -> Value {
    scratch.json("m.json", &small::tree(json!([small::hostname("x")])));
    Program::new("lock")
        .arg(scratch.path("m.json"))
        .run()
        .expect(0);
    serde_json::from_str(&scratch.read("m.json.lock")).expect("JSON")
}

fn run(scratch: &Scratch, option: &str) -> Program {
    Program::new("run --quiet --export tree")
        .arg(option)
        .option("--store", scratch.path("store"))
        .option("--output-directory", scratch.path("out"))
        .arg(scratch.path("m.json"))
}

#[test]
fn a_lock_file_pins_components_and_a_run_with_them_passes() {
    let scratch = Scratch::new();
    let lock = locked(&scratch);
    assert_fits("lock", &lock);
    let component = &lock["components"]["stage org.osbuild.hostname"];
    assert_eq!(
        component["digest"].as_str().map(str::len),
        Some(64),
        "{lock:#}"
    );
    assert_eq!(component["interfaces"]["tree"], "1.0.0");
    run(&scratch, "--locked").run().expect(0);
    let elsewhere = format!("--locked={}", scratch.path("m.json.lock").display());
    run(&scratch, &elsewhere).run().expect(0);
}

#[test]
fn a_lock_file_names_devices_mounts_and_hosts() {
    let scratch = Scratch::new();
    let file = scratch.path("all.lock");
    Program::new("lock")
        .option("--libdir", plugin(&scratch, json!({})))
        .option("--output", &file)
        .arg(manifest(&scratch))
        .run()
        .expect(0);
    let lock: Value = serde_json::from_str(&scratch.read("all.lock")).expect("JSON");
    assert_fits("lock", &lock);
    assert_eq!(lock["devices"], json!(["org.osbuild.loopback"]));
    assert_eq!(lock["mounts"], json!(["org.osbuild.ext4"]));
    assert_eq!(lock["sources"]["org.osbuild.curl"], json!(["127.0.0.1:9"]));
    assert_eq!(
        lock["networks"]["com.example.asking"],
        json!(["mirror.example.org:443"])
    );
    // Where a plugin lies is no part of what it is, and its rights are those of its document.
    assert_eq!(
        lock["components"]["stage com.example.asking"]["origin"],
        "plugin"
    );
    assert_eq!(
        lock["components"]["stage com.example.asking"]["rights"][0]["paths"],
        json!(["${/path}"])
    );
}

#[test]
fn another_component_than_the_locked_one_is_refused_before_anything_runs() {
    let scratch = Scratch::new();
    let mut lock = locked(&scratch);
    lock["components"]["stage org.osbuild.hostname"]["digest"] = "0".repeat(64).into();
    scratch.json("m.json.lock", &lock);
    let ended = run(&scratch, "--locked").run().expect(1);
    insta::assert_snapshot!(steady(&ended.stderr, Some(&scratch)), @r"
    error: what would run is not what [DIR]/m.json.lock pins
      cause: changed: stage org.osbuild.hostname: digest: [ID] -> [ID]
    hint: if that is meant, write it again with `osbuild-wasm lock MANIFEST`
    ");
    assert!(!Path::new(&scratch.path("store")).exists(), "nothing ran");
    let json = run(&scratch, "--locked").arg("--json").run().expect(1);
    assert_eq!(json.json()["success"], Value::Bool(false));
}

#[test]
fn what_is_new_or_gone_since_the_lock_is_refused() {
    let scratch = Scratch::new();
    locked(&scratch);
    let loopback = json!({ "type": "org.osbuild.loopback", "options": { "filename": "x" } });
    let mkfs = json!({ "type": "org.osbuild.mkfs.ext4", "options": { "uuid": "6264d520-3fb9-423f-8ab8-7a0a8e3d3562" }, "devices": { "device": loopback } });
    scratch.json("m.json", &small::tree(json!([mkfs])));
    let ended = run(&scratch, "--locked").run().expect(1);
    ended
        .says("grew: device org.osbuild.loopback: new")
        .says("grew: stage org.osbuild.mkfs.ext4: new: ")
        .says("program mkfs.ext4")
        .says("shrank: stage org.osbuild.hostname: gone");
}

#[test]
fn a_lock_file_that_cannot_be_read_is_a_usage_error() {
    let scratch = Scratch::new();
    locked(&scratch);
    run(&scratch, "--locked=/nonexistent")
        .run()
        .expect(2)
        .says("osbuild-wasm lock MANIFEST");
    for text in [
        "",
        "{}",
        r#"{"type": "osbuild-wasm lock", "version": 9}"#,
        r#"{"type": "osbuild-wasm lock", "version": 1, "x": 1}"#,
    ] {
        scratch.write("m.json.lock", text);
        run(&scratch, "--locked").run().expect(2);
    }
    Program::shell("echo '{\"version\": \"2\", \"pipelines\": []}' | \"$0\" run --locked -")
        .run()
        .expect(2)
        .says("--locked=FILE");
}

#[test]
fn the_lock_of_standard_input_goes_to_standard_output() {
    let ended = Program::shell("echo '{\"version\": \"2\", \"pipelines\": []}' | \"$0\" lock -")
        .run()
        .expect(0);
    assert_fits("lock", &ended.json());
}
