//! What stages can do: plans before a run, audits of components, policies, lock files.
mod audit;
mod learn;
mod links;
mod lock;
mod mounts;
mod plan;
mod policy;
mod proxies;
pub(crate) mod registries;
mod sources;

use osbuild_wasm_capability::embed;
use osbuild_wasm_tests::paths::{self, workspace};
use osbuild_wasm_tests::text::steady;
use osbuild_wasm_tests::{Ended, Program, Scratch};
use regex_lite::Regex;
use serde_json::{Value, json};
use std::path::PathBuf;

/// A component that imports files, programs and sockets, with a component inside that gets the sockets.
const ASKING: &str = r#"(component
    (import "osbuild:stage/tree@1.0.0" (instance))
    (import "osbuild:stage/command@1.0.0" (instance))
    (import "wasi:sockets/tcp@0.2.0" (instance $tcp))
    (component $network (core module) (import "wasi:sockets/tcp@0.2.0" (instance)))
    (component (core module) (import "example:lost/thing" (instance)))
    (instance (instantiate $network (with "wasi:sockets/tcp@0.2.0" (instance $tcp)))))"#;

/// Its module document, changed by `more`.
fn document(more: Value) -> Value {
    let mut document = json!({
        "name": "com.example.asking",
        "kind": "stage",
        "summary": "Asks for more than most.",
        "contract": "1.0.0",
        "programs": ["tar"],
        "capabilities": ["CAP_MAC_ADMIN"],
        "network": true,
        "rights": [
            { "verbs": ["create", "replace"], "paths": ["${/path}"] },
            { "verbs": ["read"], "paths": ["/etc/**"] },
        ],
        "schema_2": { "options": { "type": "object" }, "inputs": { "type": "object" }, "devices": { "type": "object" }, "mounts": { "type": "array" } },
    });
    let object = document.as_object_mut().expect("an object");
    object.extend(more.as_object().expect("an object").clone());
    document
}

/// The component with that document, in a directory for `--libdir`.
fn plugin(scratch: &Scratch, more: Value) -> PathBuf {
    let component = wat::parse_str(ASKING).expect("a component");
    let packed = embed(&component, document(more).to_string().as_bytes());
    scratch.write("plugins/asking.wasm", packed);
    scratch.path("plugins")
}

/// A manifest with a stage of the plugin that uses all there is, and a source.
fn manifest(scratch: &Scratch) -> PathBuf {
    let loopback = json!({ "type": "org.osbuild.loopback", "options": { "filename": "disk.img", "start": 2048 } });
    let asking = json!({
        "type": "com.example.asking",
        "options": { "path": "/srv/data", "url": "https://mirror.example.org/x" },
        "devices": { "disk": loopback },
        "mounts": [{ "name": "root", "type": "org.osbuild.ext4", "source": "disk", "target": "/" }],
    });
    let source = json!({ "org.osbuild.curl": { "items": {
        "sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03": { "url": "http://127.0.0.1:9/x" },
    } } });
    scratch.json(
        "manifest.json",
        &json!({ "version": "2", "sources": source, "pipelines": [{ "name": "tree", "stages": [asking] }] }),
    )
}

/// Panics unless the document fits `schemas/NAME.json`.
#[track_caller]
fn assert_fits(schema: &str, document: &Value) {
    let path = workspace().join(format!("schemas/{schema}.json"));
    let schema: Value =
        serde_json::from_slice(&std::fs::read(path).expect("a schema")).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a good schema");
    let errors: Vec<_> = validator
        .iter_errors(document)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}\n{document:#}");
}

/// Text without what differs between machines and builds.
fn stable(text: &str, scratch: &Scratch) -> String {
    let mut text = steady(text, Some(scratch));
    for (pattern, replacement) in [
        (r"sha256:[0-9a-f]{12}", "sha256:[DIGEST]"),
        (r"prepared by org\.osbuild\.\w+", "prepared by [RUNNER]"),
    ] {
        text = Regex::new(pattern)
            .expect("a constant")
            .replace_all(&text, replacement)
            .into_owned();
    }
    text
}

/// Both streams without what differs.
fn shown(ended: &Ended, scratch: &Scratch) -> String {
    stable(&format!("{}{}", ended.stdout, ended.stderr), scratch)
}

fn security_document() -> String {
    std::fs::read_to_string(workspace().join("docs/security.md")).expect("docs/security.md")
}

/// All Rust sources with tests that the document may name.
fn test_sources() -> String {
    let mut text = String::new();
    let rooms = [
        "tests/suite",
        "tests/stages",
        "tests/image",
        "tests/plugin",
        "host",
        "native-helpers",
        "stages-wasm",
    ];
    let mut directories: Vec<_> = rooms.map(|room| workspace().join(room)).into();
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).expect("a directory").flatten() {
            let path = entry.path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                text += &std::fs::read_to_string(path).expect("a source");
            }
        }
    }
    text
}

#[test]
fn every_claim_of_the_security_document_has_the_test_that_it_names() {
    let (document, sources) = (security_document(), test_sources());
    let claims = Regex::new(r"\(tests?: [^)]*\)").expect("a constant");
    let name = Regex::new(r"`(\w+)`").expect("a constant");
    let mut count = 0;
    for claim in claims.find_iter(&document) {
        for test in name.captures_iter(claim.as_str()) {
            let test = &test[1];
            assert!(
                sources.contains(&format!("fn {test}(")),
                "there is no test {test}"
            );
            count += 1;
        }
    }
    assert!(count > 20, "{count} claims");
}

#[test]
fn the_ci_job_of_the_security_document_works() {
    let document = security_document();
    let job = document
        .rsplit_once("\n\n    osbuild-wasm plan")
        .expect("a job")
        .1;
    let job = job.split_once("\n\n").map_or(job, |(job, _)| job);
    let scratch = Scratch::new();
    std::fs::copy(paths::sample("tar.json"), scratch.path("manifest.json")).expect("the sample");
    std::fs::copy(
        paths::sample("policies/ci-strict.toml"),
        scratch.path("ci.toml"),
    )
    .expect("the sample");
    Program::new("lock manifest.json")
        .directory(scratch.root())
        .run()
        .expect(0);
    let script = format!("set -e; osbuild-wasm() {{ \"$0\" \"$@\"; }}\nosbuild-wasm plan{job}");
    let program = Program::of("bash", "-c").arg(script).arg(paths::program());
    program
        .directory(scratch.root())
        .run()
        .expect(0)
        .says("nothing differs");
    assert!(scratch.path("out/archive/tree.tar.gz").is_file());
}
