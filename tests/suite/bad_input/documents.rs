//! Manifests and command lines that are wrong.
use super::run;
use osbuild_wasm_tests::text::steady;
use osbuild_wasm_tests::{Program, Scratch, manifest};
use serde_json::{Value, json};

/// Both forms of what is said about a wrong document: for people, and with `--json`.
fn said(document: &[u8], code: i32) -> String {
    let scratch = Scratch::new();
    let plain = run(&scratch, document, "").expect(code);
    let json = run(&scratch, document, "--json").expect(code);
    assert_eq!(json.json()["success"], false);
    assert!(
        !scratch.path("store").exists(),
        "a wrong document makes no store"
    );
    let json: Value = serde_json::from_str(&steady(&json.stdout, Some(&scratch))).expect("JSON");
    format!(
        "{}---\n{json:#}",
        steady(&format!("{}{}", plain.stdout, plain.stderr), Some(&scratch))
    )
}

fn invalid(document: Value) -> String {
    said(document.to_string().as_bytes(), 2)
}

#[test]
fn a_missing_file() {
    let scratch = Scratch::new();
    for command in ["run", "inspect", "validate"] {
        let ended = Program::new(command)
            .arg(scratch.path("no.json"))
            .run()
            .expect(2);
        assert!(
            ended.all().contains("cannot read") && ended.all().contains("No such file"),
            "{}",
            ended.all()
        );
    }
    let ended = Program::new("run").arg(scratch.path("no.json")).run();
    insta::assert_snapshot!(steady(&ended.stderr, Some(&scratch)), @r#"
    error: cannot read [DIR]/no.json
      cause: No such file or directory (os error 2)
    "#);
}

#[test]
fn a_directory_instead_of_a_file() {
    let scratch = Scratch::new();
    let ended = Program::new("run").arg(scratch.root()).run().expect(2);
    insta::assert_snapshot!(steady(&ended.stderr, Some(&scratch)), @r#"
    error: cannot read [DIR]
      cause: Is a directory (os error 21)
    "#);
}

#[test]
fn not_json() {
    insta::assert_snapshot!(said(b"{\"version\": \"2\",\n \"pipelines\": [,]}", 2), @r#"
    error: [DIR]/manifest.json is not JSON: line 2, column 16: a value is expected here
     --> [DIR]/manifest.json:2:16
      |
    2 |  "pipelines": [,]}
      |                ^ here
    ---
    {
      "type": "error",
      "success": false,
      "error": {
        "type": "org.osbuild.error.host",
        "details": {
          "title": "[DIR]/manifest.json is not JSON: line 2, column 16: a value is expected here",
          "errors": [
            {
              "message": "[DIR]/manifest.json is not JSON: line 2, column 16: a value is expected here"
            }
          ]
        }
      }
    }
    "#);
}

#[test]
fn not_utf_8() {
    insta::assert_snapshot!(said(b"{\"version\": \"\xff\"}", 2), @r#"
    error: [DIR]/manifest.json is not JSON: line 1, column 14: the document is not UTF-8 here
    ---
    {
      "type": "error",
      "success": false,
      "error": {
        "type": "org.osbuild.error.host",
        "details": {
          "title": "[DIR]/manifest.json is not JSON: line 1, column 14: the document is not UTF-8 here",
          "errors": [
            {
              "message": "[DIR]/manifest.json is not JSON: line 1, column 14: the document is not UTF-8 here"
            }
          ]
        }
      }
    }
    "#);
}

#[test]
fn nothing_at_all() {
    insta::assert_snapshot!(said(b"", 2), @r#"
    error: [DIR]/manifest.json is not JSON: line 1, column 1: a value is missing: the document ends here
     --> [DIR]/manifest.json:1:1
      |
    1 |
      | ^ here
    ---
    {
      "type": "error",
      "success": false,
      "error": {
        "type": "org.osbuild.error.host",
        "details": {
          "title": "[DIR]/manifest.json is not JSON: line 1, column 1: a value is missing: the document ends here",
          "errors": [
            {
              "message": "[DIR]/manifest.json is not JSON: line 1, column 1: a value is missing: the document ends here"
            }
          ]
        }
      }
    }
    "#);
}

#[test]
fn nesting_without_end_is_no_crash() {
    let deep = "[".repeat(200_000);
    let ended = run(&Scratch::new(), deep.as_bytes(), "").expect(2);
    ended.never_says("internal error").never_says("overflow");
}

#[test]
fn a_list_instead_of_an_object() {
    insta::assert_snapshot!(invalid(json!([1])), @r#"
    invalid: 1 problem in [DIR]/manifest.json
    error: [1] is not of type 'object'
     --> [DIR]/manifest.json:1:1
      |
    1 | [1]
      | ^ expected object
    ---
    {
      "type": "https://osbuild.org/validation-error",
      "title": "JSON Schema validation failed",
      "success": false,
      "errors": [
        {
          "message": "[1] is not of type 'object'",
          "path": []
        }
      ]
    }
    "#);
}

#[test]
fn an_unsupported_version() {
    let ended = run(&Scratch::new(), br#"{"version": "7", "pipelines": []}"#, "").expect(2);
    insta::assert_snapshot!(ended.all().trim(), @r#"
    Unsupported manifest format

    error: Unsupported manifest format: `version` is "1" or "2", not "7"
    "#);
}

#[test]
fn values_of_the_wrong_type() {
    insta::assert_snapshot!(invalid(manifest::of(json!([
        { "name": 5, "stages": {} },
        { "name": "b", "stages": [manifest::stage("org.osbuild.hostname", json!({ "hostname": 5, "more": 1 }))] },
    ]))), @r#"
    invalid: 3 problems in [DIR]/manifest.json
    error: {} is not of type 'array'
     --> [DIR]/manifest.json:1:39
      |
    1 | {"version":"2","pipelines":[{"name":5,"stages":{}},{"name":"b","stages":[{"type":"org.osbuild.hostname","options":{"hostname":5,"more...
      |                                       ^^^^^^^^ expected array
      |
      = note: at .pipelines[0].stages

    error: Additional properties are not allowed ('more' was unexpected)
     --> [DIR]/manifest.json:1:129
      |
    1 | ...type":"org.osbuild.hostname","options":{"hostname":5,"more":1}}]}]}
      |                                                         ^^^^^^^^ not known here
      |
      = note: at .pipelines[1].stages[0].options
      = help: known here: `hostname`

    error: 5 is not of type 'string'
     --> [DIR]/manifest.json:1:127
      |
    1 | ...":[{"type":"org.osbuild.hostname","options":{"hostname":5,"more":1}}]}]}
      |                                                            ^ expected string
      |
      = note: at .pipelines[1].stages[0].options.hostname
    ---
    {
      "type": "https://osbuild.org/validation-error",
      "title": "JSON Schema validation failed",
      "success": false,
      "errors": [
        {
          "message": "{} is not of type 'array'",
          "path": [
            "pipelines",
            0,
            "stages"
          ]
        },
        {
          "message": "Additional properties are not allowed ('more' was unexpected)",
          "path": [
            "pipelines",
            1,
            "stages",
            0,
            "options"
          ]
        },
        {
          "message": "5 is not of type 'string'",
          "path": [
            "pipelines",
            1,
            "stages",
            0,
            "options",
            "hostname"
          ]
        }
      ]
    }
    "#);
}

#[test]
fn an_unknown_stage_gets_a_near_name() {
    insta::assert_snapshot!(invalid(manifest::tree(json!([manifest::stage("org.osbuild.hostnam", json!({}))]))), @r#"
    invalid: 1 problem in [DIR]/manifest.json
    error: could not find schema information for 'org.osbuild.hostnam'
     --> [DIR]/manifest.json:1:55
      |
    1 | {"version":"2","pipelines":[{"name":"tree","stages":[{"type":"org.osbuild.hostnam","options":{}}]}]}
      |                                                       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^ there is no such stage
      |
      = note: at .pipelines[0].stages[0]
      = help: did you mean `org.osbuild.hostname`?
    ---
    {
      "type": "https://osbuild.org/validation-error",
      "title": "JSON Schema validation failed",
      "success": false,
      "errors": [
        {
          "message": "could not find schema information for 'org.osbuild.hostnam'",
          "path": [
            "pipelines",
            0,
            "stages",
            0
          ]
        }
      ]
    }
    "#);
}

#[test]
fn an_unknown_build_pipeline() {
    insta::assert_snapshot!(invalid(manifest::of(json!([{ "name": "a", "build": "name:b", "stages": [] }]))), @r#"
    invalid: 1 problem in [DIR]/manifest.json
    error: Unknown pipeline reference: name:b
     --> [DIR]/manifest.json:1:49
      |
    1 | {"version":"2","pipelines":[{"name":"a","build":"name:b","stages":[]}]}
      |                                                 ^^^^^^^^
      |
      = note: at .pipelines[0].build
      = help: a pipeline can refer only to pipelines that come before it in the document
    ---
    {
      "type": "https://osbuild.org/validation-error",
      "title": "JSON Schema validation failed",
      "success": false,
      "errors": [
        {
          "message": "Unknown pipeline reference: name:b",
          "path": [
            "pipelines",
            0,
            "build"
          ]
        }
      ]
    }
    "#);
}

#[test]
fn an_unknown_input_pipeline() {
    let stage = json!({
        "type": "org.osbuild.copy",
        "options": { "paths": [{ "from": "input://tree/", "to": "tree:///" }] },
        "inputs": { "tree": { "type": "org.osbuild.tree", "origin": "org.osbuild.pipeline", "references": ["name:nope"] } },
    });
    insta::assert_snapshot!(invalid(manifest::tree(json!([stage]))), @r#"
    invalid: 1 problem in [DIR]/manifest.json
    error: Unknown pipeline reference: name:nope
     --> [DIR]/manifest.json:1:234
      |
    1 | ...sbuild.tree","origin":"org.osbuild.pipeline","references":["name:nope"]}}}]}]}
      |                                                               ^^^^^^^^^^^
      |
      = note: at .pipelines[0].stages[0].inputs.tree.references[0]
      = help: a pipeline can refer only to pipelines that come before it in the document
    ---
    {
      "type": "https://osbuild.org/validation-error",
      "title": "JSON Schema validation failed",
      "success": false,
      "errors": [
        {
          "message": "Unknown pipeline reference: name:nope",
          "path": [
            "pipelines",
            0,
            "stages",
            0,
            "inputs",
            "tree",
            "references",
            0
          ]
        }
      ]
    }
    "#);
}

#[test]
fn an_unknown_source_reference() {
    let stage = json!({
        "type": "org.osbuild.copy",
        "options": { "paths": [{ "from": format!("input://file/{}", manifest::HELLO), "to": "tree:///" }] },
        "inputs": { "file": { "type": "org.osbuild.files", "origin": "org.osbuild.source", "references": [manifest::HELLO] } },
    });
    insta::assert_snapshot!(invalid(manifest::tree(json!([stage]))), @r#"
    invalid: 1 problem in [DIR]/manifest.json
    error: Unknown source reference(s) {'sha256:[ID]'}
     --> [DIR]/manifest.json:1:304
      |
    1 | ...build.source","references":["sha256:[ID]"]}}}]}]}
      |                                ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = note: at .pipelines[0].stages[0].inputs.file.references[0]
      = help: no source of the manifest has such an item
    ---
    {
      "type": "https://osbuild.org/validation-error",
      "title": "JSON Schema validation failed",
      "success": false,
      "errors": [
        {
          "message": "Unknown source reference(s) {'sha256:[ID]'}",
          "path": [
            "pipelines",
            0,
            "stages",
            0,
            "inputs",
            "file",
            "references",
            0
          ]
        }
      ]
    }
    "#);
}

#[test]
fn validate_and_run_find_the_same() {
    let document =
        manifest::tree(json!([manifest::stage("org.osbuild.hostnam", json!({}))])).to_string();
    let scratch = Scratch::new();
    let run = run(&scratch, document.as_bytes(), "--json").expect(2);
    let validate = Program::new("validate --json")
        .arg(scratch.path("manifest.json"))
        .run()
        .expect(2);
    let inspect = Program::new("inspect")
        .arg(scratch.path("manifest.json"))
        .run()
        .expect(2);
    assert_eq!(run.json()["errors"], validate.json()["errors"]);
    assert_eq!(run.json()["errors"], inspect.json()["errors"]);
}

#[test]
fn options_that_do_not_fit_the_manifest() {
    let scratch = Scratch::new();
    let file = scratch.json(
        "manifest.json",
        &manifest::tree(json!([manifest::hostname("a")])),
    );
    for (options, code, text) in [
        (
            "--export nope --output-directory out",
            2,
            "error: Export nope not found in ['tree']",
        ),
        (
            "--export tre --export nope --output-directory out",
            2,
            "hint: did you mean tree?",
        ),
        (
            "--export tree",
            2,
            "error: Need --output-directory for --export",
        ),
        (
            "--checkpoint nope*",
            2,
            "error: No checkpoints matched provided patterns!",
        ),
        (
            "--jobs 1",
            0,
            "hint: nothing is built without --export NAME",
        ),
        ("--checkpoint [", 2, "--checkpoint ["),
        ("--monitor-fd 99", 2, "--monitor-fd 99"),
        ("--stage-timeout soon", 2, "--stage-timeout"),
    ] {
        let program = Program::new(&format!("run {options}"))
            .option("--store", scratch.path("store"))
            .directory(scratch.root());
        program
            .arg(&file)
            .run()
            .expect(code)
            .says(text)
            .never_says("internal error");
    }
}
