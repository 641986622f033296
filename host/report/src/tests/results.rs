//! Result documents.

use super::*;
use crate::{Diagnostic, error_document, result, result_v1, result_v2};
use osbuild_wasm_manifest::json::to_python;

const V2: &str = r#"{"version": "2", "pipelines": [{"name": "t", "stages": [
    {"type": "org.osbuild.noop"}, {"type": "org.osbuild.error"}, {"type": "org.osbuild.noop"}]}]}"#;

/// The JSON with each id shortened to its first characters.
fn shown(value: &Value) -> String {
    let text = to_python(value);
    let mut shown = String::new();
    let mut digits = 0;
    for character in text.chars() {
        let is_hex = character.is_ascii_digit() || ('a'..='f').contains(&character);
        digits = if is_hex { digits + 1 } else { 0 };
        if digits <= 8 {
            shown.push(character);
        }
    }
    shown
}

#[test]
fn v2_success_has_metadata_sources_and_log() {
    let manifest = manifest(
        r#"{"version": "2", "pipelines": [{"name": "t", "stages": [{"type": "org.osbuild.capture"}, {"type": "org.osbuild.noop"}]}]}"#,
    );
    let first = StageOutcome {
        output: "…\n".into(),
        ..outcome_at(&manifest, "t", 0)
    };
    let second = StageOutcome {
        output: "Not doing anything with these options: {}\n".into(),
        ..outcome_at(&manifest, "t", 1)
    };
    let mut built = pipeline(&manifest, "t", vec![first, second]);
    let metadata = json(r#"{"a": {"b": 1}}"#);
    built
        .metadata
        .insert("org.osbuild.capture".into(), metadata);
    insta::assert_snapshot!(shown(&result_v2(&manifest, &outcome(vec![built], None))), @r#"{"type": "result", "success": true, "metadata": {"t": {"org.osbuild.capture": {"a": {"b": 1}}}}, "sources": {"success": true}, "log": {"t": [{"id": "25eaf19c", "type": "org.osbuild.capture", "output": "\u2026\n"}, {"id": "0e71cc6e", "type": "org.osbuild.noop", "output": "Not doing anything with these options: {}\n"}]}}"#);
}

#[test]
fn v2_stage_failure_has_error_and_log_up_to_the_stage() {
    let manifest = manifest(V2);
    let bad = failed(
        outcome_at(&manifest, "t", 1),
        "Error stage will now return error: 3\n",
    );
    let ran = pipeline(
        &manifest,
        "t",
        vec![outcome_at(&manifest, "t", 0), bad.clone()],
    );
    let outcome = outcome(vec![ran], Some(Failure::Stage(bad)));
    insta::assert_snapshot!(shown(&result_v2(&manifest, &outcome)), @r#"{"type": "error", "success": false, "error": {"type": "org.osbuild.error.stage", "details": {"stage": {"id": "a0f5d268", "type": "org.osbuild.error", "output": "Error stage will now return error: 3\n", "error": null}}}, "sources": {"success": true}, "log": {"t": [{"id": "beda4670", "type": "org.osbuild.noop", "output": ""}, {"id": "a0f5d268", "type": "org.osbuild.error", "output": "Error stage will now return error: 3\n", "success": false}]}}"#);
}

#[test]
fn an_error_that_a_stage_reports_is_an_exception() {
    let manifest = manifest(V2);
    let mut bad = failed(outcome_at(&manifest, "t", 1), "");
    bad.error = Some(StageError {
        kind: "ValueError".into(),
        message: "boom é".into(),
        details: Some("  File …".into()),
    });
    let ran = pipeline(&manifest, "t", vec![bad.clone()]);
    let document = result_v2(&manifest, &outcome(vec![ran], Some(Failure::Stage(bad))));
    let expected = json(
        r#"{"type": "exception", "data": {"type": "ValueError", "value": "boom é", "traceback": "  File …"}}"#,
    );
    let details = document.get("error").and_then(|error| error.get("details"));
    assert_eq!(
        details.and_then(|details| details.get("stage")?.get("error")),
        Some(&expected)
    );
    let log = document
        .get("log")
        .and_then(|log| log.get("t")?.as_array())
        .unwrap();
    assert_eq!(log[0].get("error"), Some(&expected));
}

#[test]
fn v2_source_failure_names_the_first_failed_item() {
    let manifest = manifest(V2);
    let source = failed_source();
    let mut outcome = outcome(Vec::new(), Some(Failure::Source(source.clone())));
    outcome.sources = vec![source];
    insta::assert_snapshot!(to_python(&result_v2(&manifest, &outcome)), @r#"{"type": "error", "success": false, "error": {"type": "org.osbuild.error.source", "details": {"source": {"type": "org.osbuild.inline", "output": "Checksum mismatch for sha256:0000"}}}, "sources": {"success": false, "org.osbuild.inline": [{"cached": false, "checksum": "sha256:0000", "error": "Checksum mismatch for sha256:0000"}]}, "log": {}}"#);
}

#[test]
fn v2_host_failure_at_a_stage_is_that_stages_failure() {
    let manifest = manifest(V2);
    let ran = pipeline(&manifest, "t", vec![outcome_at(&manifest, "t", 0)]);
    let failure = host_failure(
        "t/org.osbuild.error/device disk",
        "device disk: no free loop device",
        Some("EBUSY"),
    );
    let outcome = outcome(vec![ran], Some(failure));
    insta::assert_snapshot!(shown(&result_v2(&manifest, &outcome)), @r#"{"type": "error", "success": false, "error": {"type": "org.osbuild.error.stage", "details": {"stage": {"id": "a0f5d268", "type": "org.osbuild.error", "output": "device disk: no free loop device\nEBUSY\n", "error": {"type": "exception", "data": {"type": "host", "value": "device disk: no free loop device", "traceback": "EBUSY"}}}}}, "sources": {"success": true}, "log": {"t": [{"id": "beda4670", "type": "org.osbuild.noop", "output": ""}, {"id": "a0f5d268", "type": "org.osbuild.error", "output": "device disk: no free loop device\nEBUSY\n", "success": false, "error": {"type": "exception", "data": {"type": "host", "value": "device disk: no free loop device", "traceback": "EBUSY"}}}]}}"#);
}

#[test]
fn the_failed_stage_of_a_host_failure_is_the_first_of_its_kind_that_has_not_run() {
    let manifest = manifest(V2);
    let ran = vec![outcome_at(&manifest, "t", 0), outcome_at(&manifest, "t", 1)];
    let failure = host_failure("t/org.osbuild.noop", "stopped", None);
    let document = result_v2(
        &manifest,
        &outcome(vec![pipeline(&manifest, "t", ran)], Some(failure)),
    );
    let log = document
        .get("log")
        .and_then(|log| log.get("t")?.as_array())
        .unwrap();
    let last = manifest.pipelines[0].stages[2].id.as_str();
    assert_eq!(log.len(), 3);
    assert_eq!(log[2].get("id").and_then(Value::as_str), Some(last));
}

#[test]
fn v2_host_failure_elsewhere_names_its_place() {
    let manifest = manifest(V2);
    let failure = host_failure("export t", "cannot create out: Permission denied", None);
    let outcome = outcome(vec![pipeline(&manifest, "t", Vec::new())], Some(failure));
    insta::assert_snapshot!(to_python(&result_v2(&manifest, &outcome)), @r#"{"type": "error", "success": false, "error": {"type": "org.osbuild.error.host", "details": {"place": "export t", "message": "cannot create out: Permission denied", "details": null}}, "sources": {"success": true}, "log": {}}"#);
}

#[test]
fn pipelines_that_are_the_same_by_id_show_the_same_log_and_metadata() {
    let manifest = manifest(
        r#"{"version": "2", "pipelines": [{"name": "a", "stages": [{"type": "org.osbuild.noop"}]}, {"name": "b", "stages": [{"type": "org.osbuild.noop"}]}]}"#,
    );
    let mut built = pipeline(&manifest, "a", vec![outcome_at(&manifest, "a", 0)]);
    built
        .metadata
        .insert("org.osbuild.noop".into(), json(r#"{"x": 1}"#));
    let document = result_v2(&manifest, &outcome(vec![built], None));
    for member in ["log", "metadata"] {
        let member = document.get(member).unwrap();
        assert!(member.get("a").is_some());
        assert_eq!(member.get("a"), member.get("b"));
    }
}

const V1: &str = r#"{"pipeline": {
    "build": {"pipeline": {"stages": [{"name": "org.osbuild.noop"}]}, "runner": "org.osbuild.linux"},
    "stages": [{"name": "org.osbuild.noop"}], "assembler": {"name": "org.osbuild.tar", "options": {"filename": "x.tar"}}}}"#;

#[test]
fn v1_success_nests_the_build_and_has_the_assembler() {
    let manifest = manifest(V1);
    let ran = |name| pipeline(&manifest, name, vec![outcome_at(&manifest, name, 0)]);
    let outcome = outcome(vec![ran("build"), ran("tree"), ran("assembler")], None);
    insta::assert_snapshot!(shown(&result(&manifest, &outcome)), @r#"{"success": true, "build": {"success": true, "stages": [{"id": "beda4670", "type": "org.osbuild.noop", "success": true, "error": null, "output": "", "metadata": null}]}, "stages": [{"id": "4cb43090", "type": "org.osbuild.noop", "success": true, "error": null, "output": "", "metadata": null}], "assembler": {"id": "e97d1054", "type": "org.osbuild.tar", "success": true, "error": null, "output": "", "metadata": null}}"#);
}

#[test]
fn v1_failed_stage_with_a_good_build_is_a_failure_at_the_top() {
    let manifest = manifest(V1);
    let bad = failed(
        outcome_at(&manifest, "tree", 0),
        "Error stage will now return error: 255\n",
    );
    let built = pipeline(&manifest, "build", vec![outcome_at(&manifest, "build", 0)]);
    let tree = pipeline(&manifest, "tree", vec![bad.clone()]);
    let outcome = outcome(vec![built, tree], Some(Failure::Stage(bad)));
    insta::assert_snapshot!(shown(&result_v1(&manifest, &outcome)), @r#"{"success": false, "build": {"success": true, "stages": [{"id": "beda4670", "type": "org.osbuild.noop", "success": true, "error": null, "output": "", "metadata": null}]}, "stages": [{"id": "4cb43090", "type": "org.osbuild.noop", "success": false, "error": null, "output": "Error stage will now return error: 255\n", "metadata": null}]}"#);
}

#[test]
fn v1_failed_build_is_a_failure_of_what_is_built_with_it() {
    let manifest = manifest(V1);
    let bad = failed(outcome_at(&manifest, "build", 0), "");
    let built = pipeline(&manifest, "build", vec![bad.clone()]);
    let document = result_v1(&manifest, &outcome(vec![built], Some(Failure::Stage(bad))));
    let success = |value: &Value| value.get("success").and_then(Value::as_bool);
    assert_eq!(success(&document), Some(false));
    assert_eq!(document.get("build").and_then(success), Some(false));
    assert_eq!(document.get("stages"), None);
}

#[test]
fn v1_empty_manifest_is_a_bare_success() {
    let manifest = manifest("{}");
    let document = result_v1(&manifest, &outcome(Vec::new(), None));
    assert_eq!(to_python(&document), r#"{"success": true}"#);
}

#[test]
fn v1_source_failure_is_told() {
    let manifest = manifest(V1);
    let source = failed_source();
    let mut outcome = outcome(Vec::new(), Some(Failure::Source(source.clone())));
    outcome.sources = vec![source];
    insta::assert_snapshot!(to_python(&result_v1(&manifest, &outcome)), @r#"{"success": false, "error": {"type": "org.osbuild.error.source", "details": {"source": {"type": "org.osbuild.inline", "output": "Checksum mismatch for sha256:0000"}}}, "sources": {"success": false, "org.osbuild.inline": [{"cached": false, "checksum": "sha256:0000", "error": "Checksum mismatch for sha256:0000"}]}}"#);
}

#[test]
fn v1_host_failure_marks_its_stage_and_is_told_at_the_top() {
    let manifest = manifest(V1);
    let built = pipeline(&manifest, "build", vec![outcome_at(&manifest, "build", 0)]);
    let failure = host_failure("tree/org.osbuild.noop", "stopped after 5 s", None);
    let outcome = outcome(vec![built], Some(failure));
    insta::assert_snapshot!(shown(&result_v1(&manifest, &outcome)), @r#"{"success": false, "build": {"success": true, "stages": [{"id": "beda4670", "type": "org.osbuild.noop", "success": true, "error": null, "output": "", "metadata": null}]}, "stages": [{"id": "4cb43090", "type": "org.osbuild.noop", "success": false, "error": {"type": "exception", "data": {"type": "host", "value": "stopped after 5 s", "traceback": ""}}, "output": "stopped after 5 s\n", "metadata": null}], "error": {"type": "org.osbuild.error.stage", "details": {"stage": {"id": "4cb43090", "type": "org.osbuild.noop", "output": "stopped after 5 s\n", "error": {"type": "exception", "data": {"type": "host", "value": "stopped after 5 s", "traceback": ""}}}}}}"#);
}

#[test]
fn errors_before_the_build_have_a_document() {
    let error = Diagnostic::new("there is no pipeline zz")
        .at("--export")
        .hint("did you mean t?");
    insta::assert_snapshot!(to_python(&error_document("Export not found", &[error])), @r#"{"type": "error", "success": false, "error": {"type": "org.osbuild.error.host", "details": {"title": "Export not found", "errors": [{"message": "there is no pipeline zz", "place": "--export", "hints": ["did you mean t?"]}]}}}"#);
}
