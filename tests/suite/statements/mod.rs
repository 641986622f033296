//! What `run` writes about a build that succeeded: provenance, and bills of materials.
mod materials;
mod provenance;

use osbuild_wasm_tests::{Program, Scratch, manifest, paths};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

/// A directory with a hostname, and a tar of it; the sample says `hello` from an inline source.
fn small() -> Value {
    let mut manifest = manifest::of(json!([
        { "name": "tree", "stages": [
            manifest::stage("org.osbuild.mkdir", json!({ "paths": [{ "path": "/srv", "mode": 0o1777 }] })),
            manifest::hostname("small"),
        ] },
        { "name": "archive", "stages": [{
            "type": "org.osbuild.tar",
            "options": { "filename": "tree.tar" },
            "inputs": { "tree": { "type": "org.osbuild.tree", "origin": "org.osbuild.pipeline", "references": ["name:tree"] } },
        }] },
    ]));
    manifest["sources"] = manifest::hello_source();
    manifest
}

/// `run` with both pipelines exported below `out`.
fn run(scratch: &Scratch, manifest: &Value, exports: &[&str]) -> Program {
    let program = Program::new("run")
        .option("--store", scratch.path("store"))
        .option("--output-directory", scratch.path("out"));
    exports
        .iter()
        .fold(program, |program, export| {
            program.option("--export", export)
        })
        .arg(scratch.json("manifest.json", manifest))
}

fn document(scratch: &Scratch, name: &str) -> Value {
    serde_json::from_str(&scratch.read(name)).unwrap()
}

/// What sha256sum says of a file.
fn sha256sum(path: &Path) -> String {
    let said = Command::new("sha256sum").arg(path).output().unwrap();
    assert!(said.status.success(), "{said:?}");
    String::from_utf8_lossy(&said.stdout)[..64].to_owned()
}

#[test]
fn a_failed_build_writes_no_statement() {
    let scratch = Scratch::new();
    let manifest = manifest::tree(json!([manifest::error(1)]));
    run(&scratch, &manifest, &["tree"])
        .option("--provenance", scratch.path("p.json"))
        .option("--sbom", scratch.path("s.spdx.json"))
        .run()
        .expect(1);
    let left: Vec<_> = std::fs::read_dir(scratch.root())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .filter(|name| name != "store" && name != "manifest.json")
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn what_would_fail_after_the_build_fails_before_it() {
    let scratch = Scratch::new();
    run(&scratch, &small(), &["tree"])
        .option("--provenance", scratch.path("no/such/directory/p.json"))
        .run()
        .expect(2)
        .says("cannot write")
        .says("No such file or directory");
    run(&scratch, &small(), &[])
        .option("--provenance", scratch.path("p.json"))
        .run()
        .expect(2)
        .says("there are none: add --export NAME");
    run(&scratch, &small(), &["tree"])
        .option("--sbom", scratch.path("s.json"))
        .run()
        .expect(2)
        .says("must end in .spdx.json (SPDX) or .cdx.json (CycloneDX)");
    assert!(!scratch.path("store").exists(), "nothing was built");
}

#[test]
fn only_our_command_line_has_these_options() {
    let scratch = Scratch::new();
    let manifest = scratch.json("manifest.json", &small());
    Program::new("osbuild")
        .option("--provenance", paths::workspace())
        .arg(manifest)
        .run()
        .expect(2);
}
