//! What is wrong with a document: places and messages as osbuild has them.

mod common;

use common::{one_stage, parse};
use osbuild_wasm_manifest::catalogue::{Catalogue, ModuleKind};
use osbuild_wasm_manifest::model::Version;
use osbuild_wasm_manifest::problem::{render_path, validation_json, validation_text};
use osbuild_wasm_manifest::validate::{validate, validate_module};

fn problems(document: &str) -> Vec<(String, String)> {
    let errors = validate(&parse(document), &Catalogue::builtin());
    errors
        .into_iter()
        .map(|error| (render_path(&error.path), error.message))
        .collect()
}

fn problem(document: &str) -> (String, String) {
    let mut found = problems(document);
    assert_eq!(found.len(), 1, "{document}: {found:?}");
    found.remove(0)
}

#[test]
fn each_keyword_has_its_message() {
    for (schema, value, message) in [
        (r#"{"required": ["x"]}"#, "{}", "'x' is a required property"),
        (r#"{"type": "string"}"#, "3", "3 is not of type 'string'"),
        (
            r#"{"type": ["string", "null"]}"#,
            "true",
            "True is not of type 'string', 'null'",
        ),
        (
            r#"{"type": "integer"}"#,
            "1.0",
            "1.0 is not of type 'integer'",
        ),
        (
            r#"{"type": "integer"}"#,
            "true",
            "True is not of type 'integer'",
        ),
        (
            r#"{"type": "integer"}"#,
            "NaN",
            "nan is not of type 'integer'",
        ),
        (
            r#"{"type": "number"}"#,
            "false",
            "False is not of type 'number'",
        ),
        (
            r#"{"type": "object"}"#,
            r#"["\ud800"]"#,
            r"['\ud800'] is not of type 'object'",
        ),
        (
            r#"{"enum": ["a", 1]}"#,
            "true",
            "True is not one of ['a', 1]",
        ),
        (
            r#"{"enum": ["a", "b"]}"#,
            r#""it's""#,
            r#""it's" is not one of ['a', 'b']"#,
        ),
        (
            r#"{"pattern": "^a$"}"#,
            r#""b""#,
            "'b' does not match '^a$'",
        ),
        (
            r#"{"additionalProperties": false}"#,
            r#"{"x": 1}"#,
            "Additional properties are not allowed ('x' was unexpected)",
        ),
        (
            r#"{"properties": {"a": {}}, "additionalProperties": false}"#,
            r#"{"c": 1, "a": 1, "b": 2}"#,
            "Additional properties are not allowed ('b', 'c' were unexpected)",
        ),
        (
            r#"{"patternProperties": {"^b$": {}, "^a\\w$": {}}, "additionalProperties": false}"#,
            r#"{"z": 1}"#,
            r"'z' does not match any of the regexes: '^a\\w$', '^b$'",
        ),
        (
            r#"{"patternProperties": {"^a": {}}, "additionalProperties": false}"#,
            r#"{"z": 1, "y": 1}"#,
            "'y', 'z' do not match any of the regexes: '^a'",
        ),
        (
            r#"{"oneOf": [{"type": "string"}, {"type": "null"}]}"#,
            "1",
            "1 is not valid under any of the given schemas",
        ),
        (
            r#"{"anyOf": [{"type": "string"}, {"type": "null"}]}"#,
            "[]",
            "[] is not valid under any of the given schemas",
        ),
        (
            r#"{"oneOf": [{"minimum": 1}, {"type": "string"}, {"minimum": 2}]}"#,
            "3",
            "3 is valid under each of {'minimum': 2}, {'minimum': 1}",
        ),
        (
            r#"{"not": {"pattern": "a$"}}"#,
            r#""a""#,
            "'a' should not be valid under {'pattern': 'a$'}",
        ),
        (r#"{"minItems": 1}"#, "[]", "[] should be non-empty"),
        (r#"{"minItems": 2}"#, "[1]", "[1] is too short"),
        (r#"{"minLength": 1}"#, r#""""#, "'' should be non-empty"),
        (
            r#"{"minProperties": 2}"#,
            "{}",
            "{} does not have enough properties",
        ),
        (r#"{"maxItems": 0}"#, "[1]", "[1] is expected to be empty"),
        (r#"{"maxLength": 1}"#, r#""ab""#, "'ab' is too long"),
        (
            r#"{"maxProperties": 1}"#,
            r#"{"a": 1, "b": 2}"#,
            "{'a': 1, 'b': 2} has too many properties",
        ),
        (
            r#"{"uniqueItems": true}"#,
            "[1, 1]",
            "[1, 1] has non-unique elements",
        ),
        (r#"{"minimum": 3}"#, "2", "2 is less than the minimum of 3"),
        (
            r#"{"maximum": 3}"#,
            "Infinity",
            "inf is greater than the maximum of 3",
        ),
        (
            r#"{"items": [{}], "additionalItems": false}"#,
            "[1, 2, 3]",
            "Additional items are not allowed (2, 3 were unexpected)",
        ),
        (
            r##"{"$ref": "#/definitions/x", "minimum": 9, "definitions": {"x": {"type": "number"}}}"##,
            r#""a""#,
            "'a' is not of type 'number'",
        ),
    ] {
        let mut catalogue = Catalogue::builtin();
        let document = format!(
            r#"{{"name": "org.example.x", "kind": "stage", "summary": "X.", "schema": {schema}}}"#
        );
        catalogue
            .add(parse(&document))
            .unwrap_or_else(|error| panic!("{schema}: {error:?}"));
        for (version, key) in [(Version::V1, "name"), (Version::V2, "type")] {
            let stage = parse(&format!(
                r#"{{"{key}": "org.example.x", "options": {value}}}"#
            ));
            let errors = validate_module(
                &catalogue,
                ModuleKind::Stage,
                "org.example.x",
                &stage,
                version,
            );
            let found: Vec<_> = errors
                .iter()
                .map(|error| (render_path(&error.path), error.message.as_str()))
                .collect();
            assert_eq!(
                found,
                [(".options".to_owned(), message)],
                "{schema} {value}"
            );
        }
    }
}

#[test]
fn values_of_the_right_kind_pass() {
    for (schema, value) in [
        (r#"{"type": "integer"}"#, "123456789012345678901234567890"),
        (r#"{"type": "number"}"#, "-Infinity"),
        (r#"{"enum": [1]}"#, "1.0"),
        (r#"{"uniqueItems": true}"#, "[1, true, 0, false]"),
        (
            r##"{"$ref": "#/definitions/x", "minimum": 9, "definitions": {"x": {"type": "number"}}}"##,
            "1",
        ),
        (
            r#"{"requird": ["x"], "len": 3, "format": "email"}"#,
            r#""a""#,
        ),
    ] {
        let mut catalogue = Catalogue::builtin();
        let document = format!(r#"{{"summary": "X.", "schema": {schema}}}"#);
        catalogue
            .add_meta(ModuleKind::Device, "d", parse(&document))
            .unwrap_or_else(|error| panic!("{schema}: {error:?}"));
        let device = parse(&format!(
            r#"{{"type": "d", "options": {value}, "more": 1}}"#
        ));
        let errors = validate_module(&catalogue, ModuleKind::Device, "d", &device, Version::V2);
        assert_eq!(errors, [], "{schema} {value}");
    }
}

#[test]
fn documents_are_checked_as_a_whole() {
    for (document, place, message) in [
        (
            r#"{"version": "2", "foo": 1, "bar": 2}"#,
            ".",
            "Additional properties are not allowed ('bar', 'foo' were unexpected)",
        ),
        (
            r#"{"version": "1"}"#,
            ".",
            "Additional properties are not allowed ('version' was unexpected)",
        ),
        (
            r#"{"version": 2}"#,
            ".version",
            "Unsupported manifest format",
        ),
        (
            r#"{"version": "2", "pipelines": {}}"#,
            ".pipelines",
            "{} is not of type 'array'",
        ),
        (
            r#"{"version": "2", "pipelines": [{"source-epoch": 1.0}]}"#,
            ".pipelines[0].source-epoch",
            "1.0 is not of type 'integer'",
        ),
        (
            r#"{"version": "2", "metadata": {"a b": 1}}"#,
            ".metadata",
            "Additional properties are not allowed ('a b' was unexpected)",
        ),
        (
            r#"{"version": "2", "sources": {"no pe": {"items": {}}}}"#,
            ".sources.'no pe'",
            "could not find schema information for 'no pe'",
        ),
        ("[]", ".", "[] is not of type 'object'"),
        (
            r#"{"pipeline": {"stages": [{"name": "org.osbuild.nope"}]}}"#,
            ".pipeline.stages[0]",
            "could not find schema information for 'org.osbuild.nope'",
        ),
        (
            r#"{"pipeline": {"stages": [{}]}}"#,
            ".pipeline.stages[0]",
            "'name' is a required property",
        ),
        (
            r#"{"pipeline": {"build": {"runner": "r", "pipeline": {"build": {"runner": "r", "pipeline": {"stages": [{"name": "x"}]}}}}}}"#,
            ".pipeline.build.pipeline.build.pipeline.stages[0]",
            "could not find schema information for 'x'",
        ),
        (
            r#"{"sources": {"org.osbuild.files": {"urls": 1}}}"#,
            ".sources.org.osbuild.curl.urls",
            "1 is not of type 'object'",
        ),
        (
            r#"{"stages": [{"name": "x"}]}"#,
            ".stages[0]",
            "could not find schema information for 'x'",
        ),
        (
            r#"{"stages": [], "zz": 1}"#,
            ".",
            "Additional properties are not allowed ('zz' was unexpected)",
        ),
    ] {
        assert_eq!(
            problem(document),
            (place.to_owned(), message.to_owned()),
            "{document}"
        );
    }
    for document in [
        "{}",
        r#"{"pipeline": {}}"#,
        r#"{"version": "2"}"#,
        r#"{"name": "n", "stages": [{"name": "org.osbuild.noop"}]}"#,
    ] {
        assert_eq!(problems(document), [], "{document}");
    }
}

#[test]
fn stages_are_checked_with_their_devices_inputs_and_mounts() {
    let stage = r#"{"type": "org.osbuild.noop",
        "devices": {"d": {"type": "org.osbuild.loopback", "options": {"filename": 3}}},
        "inputs": {"i": {"type": "org.osbuild.zz", "origin": "org.osbuild.source", "references": {}}},
        "mounts": [{"name": "m", "type": "org.osbuild.zz"}, {"name": "m", "type": "org.osbuild.ext4", "source": 3, "target": "/"}]}"#;
    let found = problems(&one_stage(stage));
    let stage = ".pipelines[0].stages[0]";
    let expected = [
        (
            format!("{stage}.devices.d.options.filename"),
            "3 is not of type 'string'",
        ),
        (
            format!("{stage}.inputs.i"),
            "could not find schema information for 'org.osbuild.zz'",
        ),
        // A mount is addressed by index in the document, and by name (the last of two) as a module.
        (
            format!("{stage}.mounts.m.source"),
            "3 is not of type 'string'",
        ),
        (
            format!("{stage}.mounts[1].source"),
            "3 is not of type 'string'",
        ),
    ];
    for error in expected {
        assert!(
            found.contains(&(error.0.clone(), error.1.to_owned())),
            "{error:?} is not in {found:?}"
        );
    }
}

#[test]
fn options_may_be_left_out_even_when_some_are_required() {
    assert_eq!(
        problems(&one_stage(r#"{"type": "org.osbuild.truncate"}"#)),
        []
    );
}

#[test]
fn an_unknown_module_suggests_a_near_one() {
    let errors = validate(
        &parse(&one_stage(r#"{"type": "org.osbuild.mkdri"}"#)),
        &Catalogue::builtin(),
    );
    assert_eq!(
        errors[0].hint.as_deref(),
        Some("did you mean `org.osbuild.mkdir`?")
    );
}

#[test]
fn errors_render_as_osbuild_renders_them() {
    let errors = validate(
        &parse(&one_stage(
            r#"{"type": "org.osbuild.truncate", "options": {"filename": "x"}}"#,
        )),
        &Catalogue::builtin(),
    );
    assert_eq!(
        validation_json(&errors),
        r#"{"type": "https://osbuild.org/validation-error", "title": "JSON Schema validation failed", "success": false, "errors": [{"message": "'size' is a required property", "path": ["pipelines", 0, "stages", 0, "options"]}]}"#
    );
    assert_eq!(
        validation_text("-", &errors),
        "<stdin> has errors:\n\n.pipelines[0].stages[0].options:\n  'size' is a required property\n\n"
    );
}

#[test]
fn errors_come_sorted_and_once() {
    let stage = r#"{"type": "org.osbuild.truncate", "options": {"x": 1, "filename": 2}}"#;
    let found = problems(&one_stage(&format!("{stage}, {stage}")));
    let mut sorted = found.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!(found, sorted);
}

#[test]
fn module_documents_that_cannot_be_used_are_refused() {
    for (document, reason) in [
        (r#"{"kind": "stage"}"#, "`name` is missing"),
        (
            r#"{"name": "x", "kind": "spoon", "summary": "S.", "schema": {}}"#,
            "`spoon` is no kind of module",
        ),
        (
            r#"{"name": "x", "kind": "stage", "schema": {}}"#,
            "`summary`",
        ),
        (
            r#"{"name": "x", "kind": "stage", "summary": "S."}"#,
            "neither `schema` nor `schema_2`",
        ),
        (
            r#"{"name": "x", "kind": "stage", "summary": "S.", "schema": {}, "capabilities": [1]}"#,
            "`capabilities`",
        ),
        (
            r#"{"name": "x", "kind": "stage", "summary": "S.", "schema": {"type": 1}}"#,
            "the schema of module x",
        ),
        (
            r#"{"name": "x", "kind": "stage", "summary": "S.", "schema": {"pattern": "("}}"#,
            "the schema of module x",
        ),
        (
            r##"{"name": "x", "kind": "stage", "summary": "S.", "schema": {"$ref": "#/definitions/no"}}"##,
            "the schema of module x",
        ),
        (
            r#"{"name": "x", "kind": "stage", "summary": "S.", "schema": {"$ref": "https://example.org/x"}}"#,
            "the schema of module x",
        ),
    ] {
        let error = Catalogue::builtin()
            .add(parse(document))
            .map(|_| ())
            .expect_err(document);
        assert!(error.to_string().contains(reason), "{document}: {error}");
    }
}

#[test]
fn deep_documents_do_not_overflow_the_stack() {
    let levels = 440;
    let open = r#"{"build": {"runner": "r", "pipeline": "#;
    let deep = format!(
        r#"{{"pipeline": {}{{"zz": 1}}{}}}"#,
        open.repeat(levels),
        "}}".repeat(levels)
    );
    assert_eq!(
        problem(&deep).1,
        "Additional properties are not allowed ('zz' was unexpected)"
    );
    let options = format!(r#"{{"a": {}{}}}"#, "[".repeat(850), "]".repeat(850));
    assert_eq!(
        problems(&one_stage(&format!(
            r#"{{"type": "org.osbuild.noop", "options": {options}}}"#
        ))),
        []
    );
}
