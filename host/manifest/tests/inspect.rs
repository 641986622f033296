//! The description of a manifest.

mod common;

use common::loaded;
use osbuild_wasm_manifest::inspect::inspect;
use osbuild_wasm_manifest::json::to_python;

fn inspected(document: &str) -> String {
    to_python(&inspect(&loaded(document)))
}

const NOOP_ID: &str = "beda46704765a47e6d4f44aff22168ae36866c9c0e6e11552b775b77776b2969";

#[test]
fn v2_shows_pipelines_with_ids_and_runners_where_they_are_declared() {
    let document = r#"{"version": "2", "sources": {"org.osbuild.curl": {"items": {}, "options": {}}}, "metadata": {"generators": []},
        "pipelines": [{"runner": "org.osbuild.linux", "name": "build", "stages": [{"type": "org.osbuild.noop", "options": {}}]},
        {"name": "tree", "build": "name:build", "runner": "org.osbuild.arch", "source-epoch": 1700000000, "stages": [{"type": "org.osbuild.noop", "options": {"a": 1}}]},
        {"name": "none"}]}"#;
    assert_eq!(
        inspected(document),
        format!(
            r#"{{"version": "2", "pipelines": [{{"name": "build", "runner": "org.osbuild.linux", "stages": [{{"type": "org.osbuild.noop", "id": "{NOOP_ID}"}}]}}, {{"name": "tree", "build": "{NOOP_ID}", "stages": [{{"type": "org.osbuild.noop", "id": "e653dd445678d5104e5a7376b1f40f2bf770f9666d4f735301a7bdf6f20c93e6", "options": {{"a": 1}}}}]}}, {{"name": "none"}}], "metadata": {{"generators": []}}, "sources": {{"org.osbuild.curl": {{"items": {{}}}}}}}}"#
        )
    );
}

#[test]
fn a_build_pipeline_without_runner_shows_that_of_the_host() {
    let document = r#"{"version": "2", "pipelines": [{"name": "b", "stages": [{"type": "org.osbuild.noop"}]}, {"name": "t", "build": "name:b"}]}"#;
    assert!(inspected(document).contains(r#"{"name": "b", "runner": "org.osbuild.debian", "#));
}

#[test]
fn v2_shows_the_parts_of_a_stage() {
    let document = r#"{"version": "2", "pipelines": [{"name": "one", "stages": [{"type": "org.osbuild.noop"}]}, {"name": "t", "stages": [{"type": "org.osbuild.noop",
        "inputs": {"i": {"type": "org.osbuild.tree", "origin": "org.osbuild.pipeline", "references": ["name:one"], "options": {"o": 1}},
                   "e": {"type": "org.osbuild.noop", "origin": "org.osbuild.source", "references": {}}},
        "devices": {"lv": {"type": "org.osbuild.lvm2.lv", "parent": "disk", "options": {"volume": "root"}}, "disk": {"type": "org.osbuild.loopback"}},
        "mounts": [{"name": "root", "type": "org.osbuild.ext4", "source": "lv", "target": "/", "partition": 0}, {"name": "boot", "type": "org.osbuild.xfs", "partition": 2.0, "options": {"readonly": true}}]}]}]}"#;
    let text = inspected(document);
    let parts = format!(
        r#""devices": {{"disk": {{"type": "org.osbuild.loopback"}}, "lv": {{"type": "org.osbuild.lvm2.lv", "options": {{"volume": "root"}}}}}}, "mounts": [{{"name": "root", "type": "org.osbuild.ext4", "target": "/", "source": "lv"}}, {{"name": "boot", "type": "org.osbuild.xfs", "target": null, "options": {{"readonly": true}}, "partition": 2.0}}], "inputs": {{"i": {{"type": "org.osbuild.tree", "origin": "org.osbuild.pipeline", "options": {{"o": 1}}, "references": {{"{NOOP_ID}": {{}}}}}}, "e": {{"type": "org.osbuild.noop", "origin": "org.osbuild.source"}}}}}}"#
    );
    assert!(text.contains(&parts), "{text}");
}

#[test]
fn v1_keeps_its_nesting_and_the_old_name_of_the_curl_source() {
    let document = r#"{"sources": {"org.osbuild.curl": {"urls": {"a": "b"}, "more": 1}}, "pipeline": {"assembler": {"name": "org.osbuild.noop"},
        "stages": [{"name": "org.osbuild.noop", "options": {"x": 1}}], "build": {"runner": "org.osbuild.fedora40", "pipeline": {"stages": [{"name": "org.osbuild.noop"}]}}}}"#;
    let manifest = loaded(document);
    let id = |index: usize| manifest.pipelines[index].id.clone().unwrap();
    assert_eq!(
        inspected(document),
        format!(
            r#"{{"pipeline": {{"build": {{"pipeline": {{"stages": [{{"name": "org.osbuild.noop", "id": "{NOOP_ID}"}}]}}, "runner": "org.osbuild.fedora40"}}, "stages": [{{"name": "org.osbuild.noop", "options": {{"x": 1}}, "id": "{}"}}], "assembler": {{"name": "org.osbuild.noop", "id": "{}"}}}}, "sources": {{"org.osbuild.files": {{"urls": {{"a": "b"}}, "more": 1}}}}}}"#,
            id(1),
            id(2)
        )
    );
}

#[test]
fn empty_documents_stay_empty() {
    assert_eq!(inspected("{}"), r#"{"pipeline": {}}"#);
    assert_eq!(
        inspected(r#"{"version": "2", "metadata": {}, "sources": {}}"#),
        r#"{"version": "2", "pipelines": []}"#
    );
}
