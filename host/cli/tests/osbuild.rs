//! The program under the name of osbuild: what it prints where, and its exit codes.
#![allow(clippy::disallowed_methods, reason = "it makes files of the build")]
#![allow(
    clippy::unwrap_used,
    reason = "a test fails by it, helpers of tests included"
)]

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

const MANIFEST: &str = r#"{"version": "2", "pipelines": [{"name": "tree", "stages": [{"type": "org.osbuild.noop"}]}]}"#;
const NOOP: &str = "beda46704765a47e6d4f44aff22168ae36866c9c0e6e11552b775b77776b2969";

struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

fn osbuild(arguments: &str, manifest: &str) -> Ended {
    let directory = tempfile::tempdir_in("/var/tmp").unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_osbuild-wasm"))
        .arg0("/usr/bin/osbuild")
        .args(arguments.split_whitespace())
        .current_dir(directory.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Closed early when the command line is wrong.
    _ = child.stdin.take().unwrap().write_all(manifest.as_bytes());
    let output = child.wait_with_output().unwrap();
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn what_goes_wrong_before_a_build_has_osbuilds_words_and_codes() {
    let cases = [
        (
            "--export zz -",
            1,
            "Export zz not found in ['tree']\nFailed\n",
        ),
        (
            "--json --export zz --export yy -",
            1,
            "Export zz not found in ['tree']\nExport yy not found in ['tree']\nFailed\n",
        ),
        (
            "--export tree -",
            1,
            "Need --output-directory for --export\n",
        ),
        (
            "--checkpoint zz -",
            1,
            "No checkpoints matched provided patterns!\nFailed\n",
        ),
        // Unknown names come before --inspect, a missing output directory after it.
        (
            "--inspect --export zz -",
            1,
            "Export zz not found in ['tree']\nFailed\n",
        ),
        ("--in-vm zz --version", 0, "osbuild 191\n"),
    ];
    for (arguments, code, stdout) in cases {
        let ended = osbuild(arguments, MANIFEST);
        assert_eq!(
            (ended.code, ended.stdout.as_str()),
            (Some(code), stdout),
            "{arguments}: {}",
            ended.stderr
        );
    }
    let ended = osbuild("--inspect --export tree -", MANIFEST);
    assert_eq!(ended.code, Some(0));
    assert!(ended.stdout.contains(NOOP));
}

#[test]
fn an_invalid_document_is_told_in_osbuilds_text() {
    let bad = r#"{"version": "2", "pipelines": [{"name": "tree", "stages": [{"type": "org.osbuild.hostname", "options": {"hostname": 7}}]}]}"#;
    let ended = osbuild("-", bad);
    assert_eq!(ended.code, Some(2));
    assert_eq!(
        ended.stdout,
        "<stdin> has errors:\n\n.pipelines[0].stages[0].options.hostname:\n  7 is not of type 'string'\n\n"
    );
    let ended = osbuild("-", r#"{"version": "3"}"#);
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (Some(2), "Unsupported manifest format\n")
    );
}

#[test]
fn a_build_ends_with_the_pipelines_and_checkpoints() {
    let ended = osbuild(
        "--checkpoint tree --cache-max-size unlimited --quiet -",
        MANIFEST,
    );
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (Some(0), ""),
        "{}",
        ended.stderr
    );
    let ended = osbuild(
        "--export tree --output-dir out --checkpoint tree -",
        MANIFEST,
    );
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let end = format!("\nPipelines\n  tree:     \t{NOOP}\n\nCheckpoints\n  {NOOP}: cached\n");
    assert!(ended.stdout.ends_with(&end), "{}", ended.stdout);
}

#[test]
fn a_failed_build_ends_with_one_word() {
    let manifest = MANIFEST.replace("noop", "error");
    let ended = osbuild("--export tree --output-directory out -", &manifest);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stdout.ends_with("\nFailed\n"), "{}", ended.stdout);
    assert!(
        ended
            .stderr
            .contains("org.osbuild.error failed in pipeline tree"),
        "{}",
        ended.stderr
    );
}

#[test]
fn modules_that_only_osbuild_has_can_be_checked() {
    let library = tempfile::tempdir().unwrap();
    let stages = library.path().join("stages");
    std::fs::create_dir(&stages).unwrap();
    let meta = r#"{"summary": "x", "description": ["x"], "schema_2": {"options": {"type": "object", "required": ["a"]}}}"#;
    std::fs::write(stages.join("org.example.x.meta.json"), meta).unwrap();
    let manifest = MANIFEST.replace("org.osbuild.noop\"", "org.example.x\", \"options\": {}");
    let ended = osbuild(
        &format!("--inspect --libdir {} -", library.path().display()),
        &manifest,
    );
    assert_eq!(ended.code, Some(2));
    assert!(
        ended.stdout.contains("'a' is a required property"),
        "{}",
        ended.stdout
    );
    let manifest = manifest.replace("{}", "{\"a\": 1}");
    let ended = osbuild(
        &format!("--inspect -l {} -", library.path().display()),
        &manifest,
    );
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
}
