//! `osbuild-wasm report`: the record of a run for people.
use osbuild_wasm_tests::{Program, Scratch, manifest};
use serde_json::{Value, json};

/// What a hostile component may call things.
const SCRIPT: &str = "/etc/<script>alert(1)</script>\" onmouseover=\"x";
const CURSOR: &str = "/etc/\u{1b}[2J\u{202e}evil\nSecond line";

fn stage(module: &str, started: f64, path: &str) -> Value {
    json!({
        "module": module,
        "id": "a".repeat(64),
        "component": { "sha256": "b".repeat(64), "origin": "built in" },
        "granted": {
            "interfaces": ["tree", "command"],
            "rights": [{ "origin": "the module's rights", "rights": [{ "verbs": ["read", "create"], "paths": ["/etc/**"] }] }],
            "programs": ["mkfs.ext4", "sfdisk"],
            "capabilities": ["CAP_MAC_ADMIN"],
            "directories": [{ "path": "/run/osbuild/tree", "writable": true }],
        },
        "started": started,
        "duration": 1.5,
        "success": true,
        "limits": [],
        "accesses": [{ "path": path, "verbs": { "create": 1 } }],
        "written": [{ "path": path, "size": 2048, "sha256": "c".repeat(64) }],
        "calls": [{ "interface": "loopback", "call": "attach", "arguments": { "path": path }, "duration": 0.01 }],
        "programs": [{ "program": "mkfs.ext4", "arguments": ["-L", "a b"], "in_tree": false, "status": 0, "duration": 0.2 }],
        "denials": [{ "path": path, "message": "not allowed by the module's rights", "count": 3 }],
        "unused": { "rights": [{ "verbs": ["read"], "paths": ["/etc/**"] }], "interfaces": ["tree"], "programs": ["sfdisk"] },
        "log_bytes": 10,
    })
}

fn record() -> Value {
    json!({
        "format": "osbuild-wasm-record-1",
        "version": "0.1.0",
        "manifest": { "name": "m.json", "sha256": "d".repeat(64) },
        "started": "2026-01-01T00:00:00Z",
        "duration": 4.0,
        "success": true,
        "sources": [{
            "module": "org.osbuild.curl", "id": "e".repeat(64), "success": true, "duration": 0.5, "hosts": ["mirror.example"],
            "items": [{ "digest": "sha256:00", "host": "mirror.example", "cached": false }],
        }],
        "pipelines": [
            { "name": "build", "id": "f".repeat(64), "cached": true, "stages": [] },
            { "name": "tree", "id": "f".repeat(64), "cached": false, "stages": [
                stage("org.osbuild.one", 0.5, SCRIPT),
                stage("org.osbuild.two", 2.0, CURSOR),
            ] },
        ],
    })
}

#[test]
fn the_text_form_shows_times_capabilities_programs_and_files() {
    let scratch = Scratch::new();
    let file = scratch.json("record.json", &record());
    let ended = Program::new("report").arg(file).run().expect(0);
    insta::assert_snapshot!(ended.stdout);
}

#[test]
fn what_run_records_can_be_shown() {
    let scratch = Scratch::new();
    let manifest = scratch.json(
        "manifest.json",
        &manifest::tree(json!([manifest::hostname("shown")])),
    );
    Program::new("run --export tree")
        .option("--store", scratch.path("store"))
        .option("--output-directory", scratch.path("out"))
        .option("--record", scratch.path("record.json"))
        .arg(manifest)
        .run()
        .expect(0);
    let report = |form: &str| {
        Program::new("report --format")
            .arg(form)
            .arg(scratch.path("record.json"))
            .run()
            .expect(0)
    };
    report("text")
        .says("succeeded")
        .says("org.osbuild.hostname")
        .says("/etc/hostname");
    report("html")
        .says("org.osbuild.hostname")
        .says("/etc/hostname");
}

#[test]
fn the_page_needs_nothing_else_and_runs_nothing() {
    let scratch = Scratch::new();
    let file = scratch.json("record.json", &record());
    Program::new("report")
        .option("--output", scratch.path("report.html"))
        .arg(file)
        .run()
        .expect(0);
    let page = scratch.read("report.html");
    assert!(page.starts_with("<!DOCTYPE html>"));
    assert!(page.contains("default-src 'none'"));
    for forbidden in [
        "<script",
        "src=",
        "url(",
        "@import",
        "\" onmouseover",
        "<link",
        "http:",
        "https:",
    ] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    for shown in [
        "org.osbuild.two",
        "from the store",
        "mkfs.ext4 -L 'a b'",
        "2.00 KiB",
        "not allowed by the module's rights",
    ] {
        assert!(page.contains(shown), "{shown}");
    }
}

#[test]
fn names_of_a_hostile_tree_cannot_move_the_cursor() {
    let scratch = Scratch::new();
    let file = scratch.json("record.json", &record());
    for form in ["text", "html"] {
        let ended = Program::new("report --format")
            .arg(form)
            .arg(&file)
            .run()
            .expect(0);
        assert!(!ended.stdout.contains(['\u{1b}', '\u{202e}']), "{form}");
        assert!(!ended.stdout.contains("\nSecond line"), "{form}");
        ended.says(r"\u{1b}[2J\u{202e}evil\u{a}Second line");
    }
}

#[test]
fn numbers_of_a_forged_record_do_no_harm() {
    let scratch = Scratch::new();
    let mut forged = record();
    forged["duration"] = json!(0.0);
    forged["pipelines"][1]["stages"][0]["started"] = json!(-1e300);
    forged["pipelines"][1]["stages"][0]["duration"] = json!(1e300);
    let file = scratch.json("record.json", &forged);
    for form in ["text", "html"] {
        Program::new("report --format")
            .arg(form)
            .arg(&file)
            .run()
            .expect(0);
    }
}

#[test]
fn what_is_no_record_is_refused_in_one_line() {
    let scratch = Scratch::new();
    let mut other = record();
    other["pipelines"][1]["stages"][0]["surprise"] = json!(1);
    for (name, content, says) in [
        ("a.json", "{".to_owned(), "it is not JSON"),
        ("b.json", "{}".to_owned(), "run --record FILE"),
        ("c.json", other.to_string(), "surprise"),
    ] {
        let file = scratch.write(name, content);
        Program::new("report")
            .arg(file)
            .run()
            .expect(2)
            .says("cannot read the record")
            .says(says);
    }
    Program::new("report")
        .arg(scratch.path("none.json"))
        .run()
        .expect(2)
        .says("No such file");
}
