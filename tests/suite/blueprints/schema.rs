//! The schemas in schemas/ and the reference in docs/ are current, and say what the program does.
use super::{blueprints, check, values};
use osbuild_wasm_tests::Program;
use osbuild_wasm_tests::paths::workspace;
use serde_json::Value;
use std::fs;

fn kept(path: &str) -> String {
    fs::read_to_string(workspace().join(path)).unwrap_or_default()
}

fn validator(path: &str) -> jsonschema::Validator {
    let schema: Value = serde_json::from_str(&kept(path)).expect("JSON");
    jsonschema::draft202012::new(&schema).expect("a schema")
}

#[test]
fn what_is_kept_is_what_the_program_prints() {
    for (path, command) in [
        ("schemas/blueprint.schema.json", "blueprint schema"),
        (
            "schemas/blueprint-check.schema.json",
            "blueprint schema --of check",
        ),
    ] {
        let printed = Program::new(command).run().expect(0).stdout;
        assert!(
            kept(path) == printed,
            "{path} is not current: osbuild-wasm {command} > {path}"
        );
    }
    let printed = Program::new("blueprint manual").run().expect(0).stdout;
    let path = "docs/blueprints.md";
    assert!(
        kept(path).ends_with(&printed),
        "{path} is not current: replace what follows `## Reference` by what osbuild-wasm blueprint manual prints"
    );
}

#[test]
fn the_schema_takes_what_the_program_takes() {
    let schema = validator("schemas/blueprint.schema.json");
    // What services send has nulls, some keys have other names, and the case of some values does not matter.
    let differs = [
        "of_a_service.json",
        "older_names.toml",
        "everything.toml",
        "two_satellite_scripts.toml",
    ];
    for file in blueprints("right")
        .into_iter()
        .chain(blueprints("wrong/rules"))
    {
        if differs.iter().any(|name| file.ends_with(name)) {
            continue;
        }
        let errors: Vec<String> = schema
            .iter_errors(&values(&file))
            .map(|error| error.to_string())
            .collect();
        assert!(errors.is_empty(), "{}: {errors:?}", file.display());
    }
}

#[test]
fn the_schema_refuses_what_has_another_shape() {
    let schema = validator("schemas/blueprint.schema.json");
    // For JSON Schema an integer may be written as a float, and two names of a key are two keys.
    let differs = [
        "json_float_for_a_disk.json",
        "size_too_large.toml",
        "date.toml",
    ];
    for file in blueprints("wrong/shape") {
        if differs.iter().any(|name| file.ends_with(name)) {
            continue;
        }
        assert!(!schema.is_valid(&values(&file)), "{}", file.display());
    }
}

#[test]
fn what_check_prints_has_the_form_of_its_schema() {
    let schema = validator("schemas/blueprint-check.schema.json");
    for file in blueprints("wrong/shape")
        .into_iter()
        .chain(blueprints("right"))
    {
        let report = check(&file, "--json").json();
        let errors: Vec<String> = schema
            .iter_errors(&report)
            .map(|error| error.to_string())
            .collect();
        assert!(errors.is_empty(), "{}: {errors:?}", file.display());
    }
}
