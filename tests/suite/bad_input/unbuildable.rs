//! Documents of the right form that cannot be built: `validate` says so, and that they are valid, which osbuild says alone.
use osbuild_wasm_tests::{Program, Scratch, manifest};
use serde_json::{Value, json};

fn copying(from: &str, inputs: Value) -> Value {
    let copy = json!({ "type": "org.osbuild.copy", "inputs": inputs, "options": { "paths": [{ "from": from, "to": "tree:///a" }] } });
    json!({ "version": "2", "sources": manifest::hello_source(), "pipelines": [
        { "name": "first", "stages": [manifest::stage("org.osbuild.noop", json!({}))] },
        { "name": "tree", "stages": [copy] } ] })
}

fn files(reference: &str) -> Value {
    json!({ "files": { "type": "org.osbuild.files", "origin": "org.osbuild.source", "references": [reference] } })
}

fn of_pipeline(name: &str) -> Value {
    json!({ "tree": { "type": "org.osbuild.tree", "origin": "org.osbuild.pipeline", "references": [name] } })
}

#[test]
fn validate_says_what_cannot_be_built_of_a_valid_document() {
    let unknown = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
    let mut build = copying("tree:///x", json!({}));
    build["pipelines"][1]["build"] = json!("name:nothing");
    let mut source = copying("tree:///x", json!({}));
    let url = json!({ unknown: { "url": "ftp://host/file" } });
    source["sources"]["org.osbuild.curl"] = json!({ "items": url });
    for (document, reason) in [
        (
            copying("input://files/a", files(unknown)),
            "no source of the manifest has such an item",
        ),
        (
            copying("input://tree/a", of_pipeline("name:later")),
            "name:later",
        ),
        (build, "name:nothing"),
        (
            copying("input://other/a", files(manifest::HELLO)),
            "the stage has no input `other`",
        ),
        (
            copying("mount://root/a", json!({})),
            "the stage has no mount `root`",
        ),
        (source, "ftp"),
    ] {
        let scratch = Scratch::new();
        let path = scratch.json("manifest.json", &document);
        let ended = Program::new("validate").arg(&path).run().expect(0);
        ended
            .says(reason)
            .says("the document is valid, but cannot be built");
        Program::new("validate --json")
            .arg(&path)
            .run()
            .expect(0)
            .says(reason);
    }
}

#[test]
fn validate_says_nothing_of_what_can_be_built() {
    for document in [
        copying(
            &format!("input://files/{}", manifest::HELLO),
            files(manifest::HELLO),
        ),
        copying("input://tree/a", of_pipeline("name:first")),
    ] {
        let scratch = Scratch::new();
        let path = scratch.json("manifest.json", &document);
        Program::new("validate")
            .arg(path)
            .run()
            .expect(0)
            .never_says("cannot be built");
    }
}
