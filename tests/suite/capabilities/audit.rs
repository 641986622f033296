//! `osbuild-wasm audit`.
use super::{assert_fits, plugin, shown};
use osbuild_wasm_tests::{Ended, Program, Scratch, paths};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

#[test]
fn a_composed_component_is_shown_with_what_is_inside() {
    let scratch = Scratch::new();
    plugin(&scratch, json!({}));
    // A path of a fixed length: cells of the table are wrapped.
    let ended = Program::new("audit plugins/asking.wasm")
        .directory(scratch.root())
        .run()
        .expect(0);
    insta::assert_snapshot!(shown(&ended, &scratch));
}

#[test]
fn the_json_of_an_audit_fits_its_schema() {
    let scratch = Scratch::new();
    let component = plugin(
        &scratch,
        json!({ "entropy": true, "reads": ["/etc/os-release"] }),
    )
    .join("asking.wasm");
    let ended = Program::new("audit --format json org.osbuild.rpm")
        .arg(component)
        .run()
        .expect(0);
    assert_fits("audit", &ended.json());
}

#[test]
fn all_built_in_components_are_audited_within_two_seconds() {
    let ended = Program::new("audit --all --format json").run().expect(0);
    assert!(ended.took < Duration::from_secs(2), "{:?}", ended.took);
    let audit = ended.json();
    assert_fits("audit", &audit);
    let components = audit["components"].as_array().expect("a list");
    let listed = Program::new("stage list").run().expect(0).stdout;
    assert_eq!(components.len(), listed.lines().count());
    for component in components {
        let name = &component["name"];
        assert_eq!(component["origin"], "built-in", "{name}");
        assert_eq!(component["problems"], json!([]), "{name}");
        // Files through `tree` alone, no sockets, nothing foreign.
        let wasi = component["wasi"].as_object().expect("an object");
        let wide = wasi
            .keys()
            .find(|name| name.starts_with("wasi:filesystem") || name.starts_with("wasi:sockets"));
        assert_eq!(wide, None, "{name}");
        assert_eq!(component["foreign"], Value::Null, "{name}");
    }
}

#[test]
fn a_module_is_found_by_its_name_in_both_kinds() {
    let audit = Program::new("audit org.osbuild.tar --format json")
        .run()
        .expect(0)
        .json();
    let kinds: Vec<_> = audit["components"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| &one["kind"])
        .collect();
    assert_eq!(kinds, ["stage", "assembler"]);
    Program::new("audit org.osbuild.mkdri")
        .run()
        .expect(2)
        .says("did you mean org.osbuild.mkdir?");
    Program::new("audit").run().expect(2);
}

#[test]
fn what_is_no_component_is_refused_in_one_line() {
    let scratch = Scratch::new();
    for content in [
        &b"#!/bin/sh"[..],
        b"",
        b"\0asm\x01\0\0\0",
        b"\0asm\x0d\0\x01\0\x04\xff",
    ] {
        let file = scratch.write("x.wasm", content);
        let ended = Program::new("audit").arg(&file).run().expect(2);
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
        ended.says("is not a WebAssembly component");
    }
    Program::new("audit /nonexistent.wasm")
        .run()
        .expect(2)
        .says("cannot read");
}

fn diff(old: &Path, new: &Path) -> Ended {
    Program::new("audit diff").arg(old).arg(new).run()
}

#[test]
fn a_component_that_grew_fails_the_comparison() {
    let scratch = Scratch::new();
    let component = |name: &str, more: Value| {
        let from = plugin(&scratch, more).join("asking.wasm");
        let to = scratch.path(name);
        std::fs::rename(from, &to).expect("same directory");
        to
    };
    let old = component("old.wasm", json!({ "network": false }));
    let grown = component(
        "new.wasm",
        json!({ "programs": ["tar", "sh"], "capabilities": [] }),
    );
    let ended = diff(&old, &grown).expect(1);
    insta::assert_snapshot!(shown(&ended, &scratch));
    diff(&grown, &old)
        .expect(1)
        .says("Linux capability CAP_MAC_ADMIN");
    diff(&old, &old).expect(0).says("nothing differs");
    let less = component("less.wasm", json!({ "network": false, "programs": [] }));
    diff(&old, &less).expect(0).says("program tar");
}

#[test]
fn plans_and_audits_are_compared_too_and_nothing_else() {
    let scratch = Scratch::new();
    let plan = |name: &str, options: &str| {
        let ended = Program::new(&format!("plan --format json {options}"))
            .arg(paths::sample("tar.json"))
            .run()
            .expect(0);
        scratch.write(name, ended.stdout)
    };
    let policy = scratch.write("policy.toml", "version = 1\n[[rule]]\nmodules = ['*']\nlimits = { memory = '64 MiB' }\nrights = [{ verbs = ['create'], paths = ['/srv/**'] }]\nasked-not-granted = 'withhold'");
    let (free, bound) = (
        plan("free.json", ""),
        plan("bound.json", &format!("--policy {}", policy.display())),
    );
    diff(&free, &bound)
        .expect(0)
        .says("limit of memory: 1073741824 instead of 67108864");
    diff(&bound, &free)
        .expect(1)
        .says("every verb on every path that is granted")
        .says("pipeline tree, stage org.osbuild.mkdir");
    let audit = scratch.write(
        "audit.json",
        Program::new("audit org.osbuild.rpm --format json")
            .run()
            .expect(0)
            .stdout,
    );
    diff(&audit, &audit).expect(0);
    diff(&audit, &free)
        .expect(2)
        .says("an audit cannot be compared with a plan");
    diff(&audit, &paths::sample("tar.json"))
        .expect(2)
        .says("none of the types");
    diff(&audit, Path::new("/nonexistent"))
        .expect(2)
        .says("cannot read");
}
