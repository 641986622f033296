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

/// A manifest with one item of a source, and where that is in it.
fn source(module: &str, options: Value, item: Value) -> Value {
    let items = json!({ format!("sha256:{}", "0".repeat(64)): item });
    let source = match options {
        Value::Null => json!({ "items": items }),
        options => json!({ "items": items, "options": options }),
    };
    json!({ "version": "2", "sources": { module: source }, "pipelines": [] })
}

#[test]
fn an_item_whose_place_cannot_be_read_is_refused_before_anything_is_planned() {
    let curl = |url: &str| source("org.osbuild.curl", Value::Null, json!({ "url": url }));
    let mut documents: Vec<_> = [
        " file:///etc/shadow",
        "file:///etc/shadow\t",
        "http:good",
        "http:/good/x",
        "http://good\\@evil/",
        "http:\\\\good\\x",
        "ftp://good/x",
        "good/x",
        "http://go od/x",
        "file://other/etc/shadow",
        "http://",
    ]
    .map(|url| (curl(url), ".sources.org.osbuild.curl.items.sha256:000"))
    .into();
    let remote = json!({ "remote": { "url": "https://good/repo", "contenturl": "mirrorlist= file:///etc" } });
    documents.push((
        source("org.osbuild.ostree", Value::Null, remote),
        ".sources.org.osbuild.ostree.items.sha256:000",
    ));
    let image = json!({ "image": { "name": "good\\@evil/x", "digest": format!("sha256:{}", "0".repeat(64)) } });
    documents.push((
        source("org.osbuild.skopeo", Value::Null, image),
        ".sources.org.osbuild.skopeo.items.sha256:000",
    ));
    let mirrors = json!({ "mirrors": { "m": { "url": "http:good", "type": "baseurl" } } });
    documents.push((
        source(
            "org.osbuild.librepo",
            mirrors,
            json!({ "path": "x", "mirror": "m" }),
        ),
        ".sources.org.osbuild.librepo.options.mirrors.m",
    ));
    for (document, place) in documents {
        let scratch = Scratch::new();
        let path = scratch.json("manifest.json", &document);
        let store = scratch.path("store");
        Program::new("validate")
            .arg(&path)
            .run()
            .expect(0)
            .says("cannot be built");
        for command in ["plan", "lock", "run"] {
            let program = Program::new(command).arg(&path);
            let program = match command {
                "run" => program.option("--store", &store),
                _ => program,
            };
            program.run().expect(1).says(place);
        }
        assert!(!store.join("sources").exists(), "nothing was fetched");
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
