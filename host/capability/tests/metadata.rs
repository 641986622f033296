//! Module documents: what is refused, with the place, and that no document of this program is.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]
use osbuild_wasm_capability::ModuleMetadata;
use serde_json::{Value, json};
use std::path::Path;

fn document() -> Value {
    json!({
        "name": "com.example.stage",
        "kind": "stage",
        "summary": "Does something.",
        "programs": ["true"],
        "capabilities": ["CAP_SYS_PTRACE"],
        "reads": ["/usr/lib"],
        "rights": [
            { "verbs": ["read"], "paths": ["/etc/${/name}", "${/files/*/path}", "${/items/~}/**", "mount://**"] },
        ],
        "schema_2": { "options": {
            "type": "object",
            "additionalProperties": false,
            "properties": {
                "name": { "type": "string" },
                "flag": { "type": "boolean" },
                "items": { "type": "object", "additionalProperties": { "$ref": "#/definitions/item" } },
                "files": { "type": "array", "items": { "oneOf": [{ "$ref": "#/definitions/item" }, { "type": "null" }] } },
            },
            "definitions": { "item": { "type": "object", "properties": { "path": { "type": "string" } } } },
        } },
    })
}

fn parse(document: &Value) -> Result<ModuleMetadata, String> {
    ModuleMetadata::parse(document.to_string().as_bytes()).map_err(|error| error.to_string())
}

#[test]
fn unknown_words_and_impossible_values_of_a_document_are_errors_with_their_place() {
    parse(&document()).unwrap();
    let paths = |path: &str| json!([{ "verbs": ["read"], "paths": ["/a", path] }]);
    let at_path = ".rights[0].paths[1]";
    for (member, value, place) in [
        ("right", json!([]), "unknown field `right`"),
        ("Rights", json!([]), "unknown field `Rights`"),
        ("capability", json!([]), "unknown field `capability`"),
        (
            "rights",
            json!([{ "verbs": ["reed"], "paths": ["/a"] }]),
            "unknown variant `reed`",
        ),
        (
            "rights",
            json!([{ "verb": ["read"], "paths": ["/a"] }]),
            "unknown field `verb`",
        ),
        (
            "rights",
            json!([{ "verbs": [], "paths": ["/a"] }]),
            ".rights[0].verbs",
        ),
        (
            "rights",
            json!([{ "verbs": ["read"], "paths": [] }]),
            ".rights[0].paths",
        ),
        ("rights", paths("etc/passwd"), at_path),
        ("rights", paths(""), at_path),
        ("rights", paths("*/etc"), at_path),
        ("rights", paths("/a/../b"), at_path),
        ("rights", paths("/a**"), at_path),
        ("rights", paths("/[a"), at_path),
        ("rights", paths("ftp://x"), at_path),
        ("rights", paths("${/nope}"), at_path),
        ("rights", paths("/x/${/flag}"), at_path),
        ("rights", paths("/x/${/name/*}"), at_path),
        ("rights", paths("/x/${/files}"), at_path),
        ("rights", paths("/x/${/files/*/nope}"), at_path),
        ("rights", paths("/x/${/items/a/b}"), at_path),
        ("rights", paths("/x/${name}"), at_path),
        ("rights", paths("/x/${/name"), at_path),
        (
            "capabilities",
            json!(["CAP_SYS_PTRACE", "CAP_FOO"]),
            ".capabilities[1]",
        ),
        ("capabilities", json!(["sys_admin"]), ".capabilities[0]"),
        ("programs", json!(["true", "/usr/bin/true"]), ".programs[1]"),
        ("programs", json!([""]), ".programs[0]"),
        ("programs", json!([".."]), ".programs[0]"),
        ("programs", json!(["a b"]), ".programs[0]"),
        ("programs", json!(["-rf"]), ".programs[0]"),
        ("environment", json!(["LANG", "LD=x"]), ".environment[1]"),
        ("environment", json!(["LD_PRELOAD"]), ".environment[0]"),
        ("rights", json!(null), "invalid type: null"),
        ("programs-touch", json!(null), "invalid type: null"),
        ("rights", paths("/a\0b"), at_path),
        ("name", json!("-rf"), "not a module name"),
        (
            "privileged-programs",
            json!(["lvm"]),
            ".privileged-programs[0]",
        ),
        ("reads", json!(["/", "etc"]), ".reads[1]"),
        ("reads", json!(["/usr/../etc"]), ".reads[0]"),
    ] {
        let mut document = document();
        document[member] = value;
        let error = parse(&document).expect_err(&document.to_string());
        assert!(error.contains(place), "{error}: {place}");
    }
}

#[test]
fn what_the_schema_leaves_open_can_be_referred_to() {
    for options in [
        json!({ "type": "object" }),
        json!({ "type": "object", "additionalProperties": true }),
        json!({ "type": "object", "properties": { "a": {} }, "patternProperties": { ".": { "type": "string" } } }),
        json!({ "properties": { "x": { "enum": ["a", 1] } } }),
        json!({ "properties": { "x": { "type": ["string", "null"] } } }),
        json!({ "anyOf": [{ "type": "array" }, { "properties": { "x": { "type": "integer" } } }] }),
    ] {
        let mut document = document();
        document["rights"] = json!([{ "verbs": ["read"], "paths": ["/${/x}"] }]);
        document["schema_2"]["options"] = options;
        parse(&document).unwrap();
    }
}

#[test]
fn a_document_beyond_all_measure_is_refused() {
    let mut large = document();
    large["description"] = json!(["x".repeat(2 << 20)]);
    assert!(parse(&large).unwrap_err().contains("bytes, more than"));
    let mut many = document();
    let paths: Vec<_> = (0..10_000).map(|number| format!("/{number}")).collect();
    many["rights"] = json!([{ "verbs": ["read"], "paths": paths }]);
    assert!(parse(&many).unwrap_err().contains(".rights"));
}

#[test]
fn every_document_of_this_program_can_be_read() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let (mut read, mut refused) = (0, Vec::new());
    for directory in ["schemas/stages", "schemas/assemblers"] {
        for entry in std::fs::read_dir(root.join(directory)).unwrap() {
            let path = entry.unwrap().path();
            let text = std::fs::read(&path).unwrap();
            let parsed = ModuleMetadata::parse(&text);
            refused.extend(
                parsed
                    .err()
                    .map(|error| format!("{}: {error}", path.display())),
            );
            read += 1;
        }
    }
    assert!(refused.is_empty(), "{refused:#?}");
    assert!(read > 150, "{read} documents");
}
