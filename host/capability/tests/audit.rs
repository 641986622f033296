//! Components and documents, compared.
#![allow(clippy::unwrap_used, reason = "tests")]
use osbuild_wasm_capability::audit::{Audited, Supply, audit};
use osbuild_wasm_capability::diff::{Diff, Document};
use osbuild_wasm_capability::embed;
use serde_json::{Value, json};

/// A component of a text, with a module document.
fn component(text: &str, document: &Value) -> Vec<u8> {
    embed(
        &wat::parse_str(text).unwrap(),
        document.to_string().as_bytes(),
    )
}

fn document(more: Value) -> Value {
    let mut document = json!({"name": "com.example.x", "kind": "stage", "summary": "Does x."});
    document
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    document
}

const COMPOSED: &str = r#"(component
    (import "osbuild:stage/tree@1.0.0" (instance $tree))
    (import "wasi:sockets/tcp@0.2.0" (instance $tcp))
    (component $network (core module) (import "wasi:sockets/tcp@0.2.0" (instance)))
    (component $worker
        (import "osbuild:stage/tree@1.0.0" (instance))
        (import "example:network/api" (instance))
        (component (import "deep" (instance))))
    (instance $n (instantiate $network (with "wasi:sockets/tcp@0.2.0" (instance $tcp))))
    (instance (instantiate $worker
        (with "osbuild:stage/tree@1.0.0" (instance $tree))
        (with "example:network/api" (instance $n)))))"#;

fn audited(bytes: &[u8]) -> Audited {
    audit("x.wasm", "x.wasm", bytes).unwrap()
}

#[test]
fn inner_components_are_seen_with_who_satisfies_their_imports() {
    let audited = audited(&component(COMPOSED, &document(json!({}))));
    assert_eq!(
        audited.profile.interfaces.keys().collect::<Vec<_>>(),
        ["tree"]
    );
    assert_eq!(
        audited.profile.asked_in_vain().collect::<Vec<_>>(),
        ["wasi:sockets/tcp"]
    );
    let all: Vec<_> = audited
        .inner
        .iter()
        .map(|inner| (inner.place.as_str(), inner.modules))
        .collect();
    assert_eq!(all, [("0", 1), ("1", 0), ("1.0", 0)]);
    let import = |name: &str| Supply::Import(name.into());
    let supplied = |inner: usize, index: usize| {
        audited.inner[inner].imports[index]
            .supplied
            .iter()
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(supplied(0, 0), [import("wasi:sockets/tcp@0.2.0")]);
    assert_eq!(supplied(1, 0), [import("osbuild:stage/tree@1.0.0")]);
    assert_eq!(supplied(1, 1), [Supply::Component("0".into())]);
    assert_eq!(supplied(2, 0), [], "nothing ever satisfies it");
}

#[test]
fn only_the_document_of_the_outermost_component_counts() {
    let inner = component("(component)", &document(json!({"programs": ["rm"]})));
    // A component with another one inside: id 4, length, bytes.
    let mut outer = wat::parse_str("(component)").unwrap();
    outer.extend([
        4,
        u8::try_from(inner.len() & 0x7f).unwrap() | 0x80,
        u8::try_from(inner.len() >> 7).unwrap(),
    ]);
    outer.extend(&inner);
    let audited = audited(&outer);
    assert_eq!(audited.problems, ["it carries no module document"]);
    assert!(audited.inner[0].sections.contains("osbuild:module"));
}

#[test]
fn what_cannot_be_linked_is_a_problem_and_no_error() {
    let text = r#"(component (import "wasi:http/types@0.2.0" (instance)) (import "example:kernel/panic@1.0.0" (instance)))"#;
    let audited = audited(&component(text, &document(json!({}))));
    assert_eq!(audited.problems.len(), 2, "{:?}", audited.problems);
    assert!(
        audited.problems[0].contains("example:kernel/panic"),
        "{:?}",
        audited.problems
    );
    assert!(
        audited.problems[1].contains("wasi:http/types"),
        "{:?}",
        audited.problems
    );
}

#[test]
fn nesting_without_end_is_refused() {
    let text = format!("{}{}", "(component ".repeat(40), ")".repeat(40));
    let error = audit("x", "x", &wat::parse_str(text).unwrap()).unwrap_err();
    assert!(error.to_string().contains("nested more than"), "{error}");
}

fn diff(old: &Value, new: &Value) -> Diff {
    let text = r#"(component (import "osbuild:stage/tree@1.0.0" (instance)) (import "osbuild:stage/command@1.0.0" (instance)))"#;
    let [old, new] = [old, new]
        .map(|more| Document::read("x", &component(text, &document(more.clone()))).unwrap());
    Diff::of(&old, &new).unwrap()
}

fn words(changes: &[osbuild_wasm_capability::diff::Change]) -> Vec<&str> {
    changes.iter().map(|change| change.what.as_str()).collect()
}

#[test]
fn programs_and_capabilities_grow_and_shrink() {
    let diff = diff(
        &json!({"programs": ["tar"]}),
        &json!({"programs": ["sh"], "capabilities": ["CAP_MKNOD"], "network": true}),
    );
    assert_eq!(
        words(&diff.grew),
        [
            "Linux capability CAP_MKNOD",
            "network: the hosts of its options",
            "program sh"
        ]
    );
    assert_eq!(words(&diff.shrank), ["program tar"]);
    assert!(
        diff.changed[0].what.starts_with("digest: "),
        "{:?}",
        diff.changed
    );
}

#[test]
fn a_narrower_pattern_is_no_growth() {
    let rights =
        |verbs: &[&str], paths: &[&str]| json!({"rights": [{"verbs": verbs, "paths": paths}]});
    for (old, new, grew) in [
        (
            rights(&["create"], &["/etc/**"]),
            rights(&["create"], &["/etc/hostname", "/etc/*.d/x"]),
            &[][..],
        ),
        (
            rights(&["create"], &["/etc/hostname"]),
            rights(&["create"], &["/etc/**"]),
            &["create /etc/**"],
        ),
        (
            rights(&["create"], &["/etc/**"]),
            rights(&["create", "remove"], &["/etc/**"]),
            &["remove /etc/**"],
        ),
        (
            rights(&["create"], &["${/path}"]),
            rights(&["create"], &["${/path}"]),
            &[],
        ),
        (
            rights(&["create"], &["/etc/**"]),
            rights(&["create"], &["${/path}"]),
            &["create ${/path}"],
        ),
        (
            rights(&["read"], &["/**"]),
            json!({}),
            &["every verb on every path that is granted"],
        ),
        (json!({}), rights(&["node"], &["/dev/**"]), &[]),
    ] {
        assert_eq!(words(&diff(&old, &new).grew), grew, "{old} {new}");
    }
}

#[test]
fn documents_are_told_apart_by_content() {
    for (text, part) in [
        ("", "neither a component nor"),
        ("{}", "none of the types"),
        (
            r#"{"type": "osbuild-wasm lock", "version": 1}"#,
            "version 1",
        ),
        (
            r#"{"type": "osbuild-wasm lock", "version": 2}"#,
            "version 2",
        ),
        (
            r#"{"type": "osbuild-wasm lock", "version": 3}"#,
            "missing field",
        ),
        ("\0asm", "not a WebAssembly component"),
    ] {
        let error = Document::read("name", text.as_bytes()).unwrap_err();
        assert!(
            error.contains(part) && error.starts_with("name"),
            "{text}: {error}"
        );
    }
}
