//! Errors for people.

use super::*;
use crate::{Colour, Diagnostic, failure_text};
use osbuild_wasm_manifest::problem::ValidationError;
use std::error::Error;
use std::fmt;

const MANIFEST: &str = r#"{"version": "2", "pipelines": [
    {"name": "build", "stages": [{"type": "org.osbuild.noop"}]},
    {"name": "image", "build": "name:build", "stages": [{"type": "org.osbuild.truncate"}, {"type": "org.osbuild.mkfs.xfs"}]}]}"#;

fn of_failure(manifest: &Manifest, failure: Failure) -> String {
    failure_text(manifest, &outcome(Vec::new(), Some(failure)))
}

#[test]
fn a_failed_stage_is_told_with_place_cause_log_and_advice() {
    let manifest = manifest(MANIFEST);
    let log: String = (1..=40)
        .map(|line| format!("\x1b[1mline\x1b[0m {line}\n"))
        .collect();
    let mut bad = failed(
        outcome_at(&manifest, "image", 1),
        &format!("{log}10%\r50%\r100%\nsh: line 1: mkfs.xfs: command not found\n\n"),
    );
    bad.error = Some(StageError {
        kind: "tool".into(),
        message: "mkfs.xfs ended with status 127".into(),
        details: Some("while formatting /dev/loop0\nhint: look at the log".into()),
    });
    insta::assert_snapshot!(of_failure(&manifest, Failure::Stage(bad)), @r"
    error: org.osbuild.mkfs.xfs failed in pipeline image: mkfs.xfs ended with status 127 (at .pipelines[1].stages[1])
      id: 7ae2b8a3aa80622f64a7f856620aba5c1009a3a155f1248f4e49811edfea6853
      cause: while formatting /dev/loop0
      last 30 of 42 lines of the log:
        | line 13
        | line 14
        | line 15
        | line 16
        | line 17
        | line 18
        | line 19
        | line 20
        | line 21
        | line 22
        | line 23
        | line 24
        | line 25
        | line 26
        | line 27
        | line 28
        | line 29
        | line 30
        | line 31
        | line 32
        | line 33
        | line 34
        | line 35
        | line 36
        | line 37
        | line 38
        | line 39
        | line 40
        | 100%
        | sh: line 1: mkfs.xfs: command not found
    hint: look at the log
    hint: mkfs.xfs is missing in the build root: add xfsprogs to pipeline build
    ");
}

#[test]
fn a_stage_without_an_error_of_its_own_is_told_by_its_log() {
    let manifest = manifest(MANIFEST);
    let bad = failed(outcome_at(&manifest, "build", 0), "boom\n");
    insta::assert_snapshot!(of_failure(&manifest, Failure::Stage(bad)), @r"
    error: org.osbuild.noop failed in pipeline build (at .pipelines[0].stages[0])
      id: beda46704765a47e6d4f44aff22168ae36866c9c0e6e11552b775b77776b2969
      log:
        | boom
    ");
}

#[test]
fn stages_of_v1_documents_have_their_own_paths() {
    let manifest = manifest(
        r#"{"pipeline": {
            "build": {"runner": "org.osbuild.linux", "pipeline": {
                "build": {"runner": "org.osbuild.linux", "pipeline": {"stages": [{"name": "org.osbuild.noop"}]}},
                "stages": [{"name": "org.osbuild.noop"}]}},
            "stages": [{"name": "org.osbuild.noop"}, {"name": "org.osbuild.noop"}], "assembler": {"name": "org.osbuild.tar"}}}"#,
    );
    let place = |pipeline, index| {
        let bad = failed(outcome_at(&manifest, pipeline, index), "");
        let outcome = outcome(Vec::new(), Some(Failure::Stage(bad)));
        Diagnostic::of_failure(&manifest, &outcome)
            .unwrap()
            .place
            .unwrap()
    };
    assert_eq!(
        place("build-build", 0),
        ".pipeline.build.pipeline.build.pipeline.stages[0]"
    );
    assert_eq!(place("build", 0), ".pipeline.build.pipeline.stages[0]");
    assert_eq!(place("tree", 1), ".pipeline.stages[1]");
    assert_eq!(place("assembler", 0), ".pipeline.assembler");
}

#[test]
fn a_failed_source_names_its_items() {
    let mut source = failed_source();
    source.items.push(item(HELLO, true, None));
    source
        .items
        .push(item("sha256:1111", false, Some("HTTP 404 Not Found")));
    insta::assert_snapshot!(of_failure(&manifest(MANIFEST), Failure::Source(source)), @r"
    error: source org.osbuild.inline: 2 of 3 items could not be fetched (at .sources.org.osbuild.inline)
      cause: Checksum mismatch for sha256:0000
      cause: sha256:1111: HTTP 404 Not Found
    hint: the data of the item is not what its checksum says: make the manifest anew
    hint: the server no longer has it: make the manifest anew from the current repositories, or use a snapshot of the old ones
    ");
}

#[test]
fn only_the_first_failed_items_are_named() {
    let items = (10..22)
        .map(|n| item(&format!("sha256:{n}"), false, Some("refused")))
        .collect();
    let text = of_failure(
        &manifest(MANIFEST),
        Failure::Source(source("org.osbuild.curl", INLINE, items)),
    );
    assert!(
        text.starts_with("error: source org.osbuild.curl: 12 of 12 items could not be fetched")
    );
    assert!(text.contains("sha256:19: refused") && !text.contains("sha256:20"));
    assert!(text.ends_with("  cause: and 2 more\n"));
}

#[test]
fn a_source_without_items_is_told_by_its_log() {
    let mut source = failed_source();
    source.items.clear();
    source.output = "curl: (6) Could not resolve host: x\n".into();
    insta::assert_snapshot!(of_failure(&manifest(MANIFEST), Failure::Source(source)), @r"
    error: source org.osbuild.inline failed (at .sources.org.osbuild.inline)
      log:
        | curl: (6) Could not resolve host: x
    hint: the name of the server is unknown here: check the URL, the network and the name server
    ");
}

#[test]
fn a_host_failure_at_a_stage_is_placed_in_the_manifest() {
    let failure = host_failure(
        "image/org.osbuild.mkfs.xfs",
        "device disk: no free loop device",
        Some("open /dev/loop-control: Permission denied\nhint: run as root"),
    );
    insta::assert_snapshot!(of_failure(&manifest(MANIFEST), failure), @r"
    error: org.osbuild.mkfs.xfs failed in pipeline image: device disk: no free loop device (at .pipelines[1].stages[1])
      id: 7ae2b8a3aa80622f64a7f856620aba5c1009a3a155f1248f4e49811edfea6853
      cause: open /dev/loop-control: Permission denied
    hint: run as root
    ");
}

#[test]
fn a_stage_that_the_host_stopped_shows_its_log() {
    let manifest = manifest(MANIFEST);
    let ran = failed(outcome_at(&manifest, "build", 0), "waiting");
    let failure = host_failure("build/org.osbuild.noop", "stopped after 5 s", None);
    let outcome = outcome(vec![pipeline(&manifest, "build", vec![ran])], Some(failure));
    let diagnostic = Diagnostic::of_failure(&manifest, &outcome).unwrap();
    assert_eq!(diagnostic.log.as_deref(), Some("waiting\n"));
}

#[test]
fn a_host_failure_elsewhere_names_its_place() {
    let text = of_failure(
        &manifest(MANIFEST),
        host_failure("export image", "disk full", None),
    );
    assert_eq!(text, "error: export image: disk full\n");
}

#[test]
fn a_success_has_no_failure_text() {
    assert_eq!(
        failure_text(&manifest(MANIFEST), &outcome(Vec::new(), None)),
        ""
    );
}

#[test]
fn logs_that_say_what_is_missing_give_advice() {
    let manifest = manifest(MANIFEST);
    let hints = |pipeline, log| {
        let bad = failed(outcome_at(&manifest, pipeline, 0), log);
        let outcome = outcome(Vec::new(), Some(Failure::Stage(bad)));
        Diagnostic::of_failure(&manifest, &outcome)
            .unwrap()
            .hints
            .join("; ")
    };
    for (pipeline, log, expected) in [
        (
            "image",
            "sh: 1: sgdisk: not found",
            "sgdisk is missing in the build root: add gdisk to pipeline build",
        ),
        (
            "build",
            "bash: /usr/bin/mksquashfs: command not found",
            "install squashfs-tools",
        ),
        (
            "image",
            "FileNotFoundError: [Errno 2] No such file or directory: 'frob'",
            "add the package that brings it to",
        ),
        (
            "image",
            "error: /usr/sbin/mkfs.ext4: the build root has no such program: install e2fsprogs there",
            "add e2fsprogs to pipeline build",
        ),
        ("image", "write: No space left on device", "free space"),
    ] {
        let hints = hints(pipeline, log);
        assert!(hints.contains(expected), "{log}: {hints}");
    }
    for log in [
        "No such file or directory: '/etc/my file'",
        "file x not found",
        "all is well",
        "mkfs.ext4: the tree has no such program: add the package that has it there",
    ] {
        assert_eq!(hints("image", log), "", "{log}");
    }
}

#[derive(Debug)]
struct Chained(&'static str, Option<Box<Chained>>);

impl fmt::Display for Chained {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.0)
    }
}

impl Error for Chained {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.1
            .as_deref()
            .map(|cause| cause as &(dyn Error + 'static))
    }
}

#[test]
fn an_error_is_told_with_its_causes_but_none_twice() {
    let cause = Chained("Permission denied", None);
    let repeated = Chained("store: Permission denied", Some(Box::new(cause)));
    let error = Chained("cannot open the store", Some(Box::new(repeated)));
    insta::assert_snapshot!(Diagnostic::from_error(&error).render(Colour::Never), @r"
    error: cannot open the store
      cause: store: Permission denied
    ");
}

#[test]
fn a_problem_of_a_document_is_told_with_its_place_and_hint() {
    let problem = ValidationError {
        path: vec!["pipelines".into(), 0.into()],
        message: "Unknown pipeline reference: name:buidl".into(),
        members: Vec::new(),
        expected: None,
        hint: Some("did you mean build?".into()),
    };
    assert_eq!(
        Diagnostic::from_problem(&problem).render(Colour::Never),
        "error: Unknown pipeline reference: name:buidl (at .pipelines[0])\nhint: did you mean build?\n"
    );
}

#[test]
fn colour_changes_nothing_but_the_colour() {
    let diagnostic = Diagnostic {
        log: Some("a\n".into()),
        ..Diagnostic::new("no")
            .at(".x")
            .cause("why")
            .hint("do")
            .hint("do")
    };
    let coloured = diagnostic.render(Colour::Always);
    assert!(coloured.starts_with("\x1b["));
    assert_eq!(
        anstream::adapter::strip_str(&coloured).to_string(),
        diagnostic.render(Colour::Never)
    );
    assert!(
        !diagnostic
            .without_log()
            .render(Colour::Never)
            .contains("log")
    );
}
