//! Builds that fail on the way.
use super::run;
use osbuild_wasm_tests::text::{shape, steady};
use osbuild_wasm_tests::{Program, Scratch, hostile, machine, manifest};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

/// A manifest with a pipeline that works and one that does not, which needs the source.
fn good_then_bad(sources: Value) -> Value {
    let bad = json!({
        "type": "org.osbuild.copy",
        "options": { "paths": [{ "from": format!("input://file/{}", manifest::HELLO), "to": "tree:///hello" }] },
        "inputs": { "file": { "type": "org.osbuild.files", "origin": "org.osbuild.source", "references": [manifest::HELLO] } },
    });
    let pipelines = json!([{ "name": "good", "stages": [manifest::hostname("good")] }, { "name": "bad", "build": "name:good", "stages": [bad] }]);
    let mut document = manifest::of(pipelines);
    document["sources"] = sources;
    document
}

#[test]
fn a_wrong_checksum() {
    let scratch = Scratch::new();
    let mut document = good_then_bad(manifest::hello_source());
    document["sources"]["org.osbuild.inline"]["items"][manifest::HELLO]["data"] = "AAAA".into();
    let ended = run(
        &scratch,
        document.to_string().as_bytes(),
        "--export bad --quiet",
    )
    .expect(1);
    insta::assert_snapshot!(steady(&ended.all(), Some(&scratch)).trim(), @r#"
    error: source org.osbuild.inline: 1 of 1 item could not be fetched (at .sources.org.osbuild.inline)
      cause: Checksum mismatch for sha256:[ID]
    hint: the data of the item is not what its checksum says: make the manifest anew
    "#);
    let json = run(
        &scratch,
        document.to_string().as_bytes(),
        "--export bad --json",
    )
    .expect(1)
    .json();
    assert_eq!(json["error"]["type"], "org.osbuild.error.source");
    assert_eq!(json["sources"]["success"], false);
}

#[test]
fn a_refused_connection() {
    let scratch = Scratch::new();
    // No server listens on a port that was just given back.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("loopback")
        .port();
    let url = format!("http://127.0.0.1:{port}/hello");
    let document =
        good_then_bad(json!({ "org.osbuild.curl": { "items": { manifest::HELLO: url } } }));
    let ended = run(
        &scratch,
        document.to_string().as_bytes(),
        "--export bad --json",
    )
    .expect(1);
    let text = ended.json()["error"]["details"]["source"]["output"]
        .as_str()
        .expect("text")
        .to_owned();
    assert!(
        text.contains(&url) && text.contains("Connection refused"),
        "{text}"
    );
}

#[test]
fn a_failing_stage_names_itself_and_shows_its_log() {
    let scratch = Scratch::new();
    let document = manifest::tree(json!([manifest::hostname("a"), manifest::error(7)])).to_string();
    let ended = run(&scratch, document.as_bytes(), "--export tree --quiet").expect(1);
    insta::assert_snapshot!(steady(&ended.all(), Some(&scratch)).trim(), @r#"
    error: org.osbuild.error failed in pipeline tree: failing with status 7, as asked (at .pipelines[0].stages[1])
      id: [ID]
      log:
        | error: failing with status 7, as asked
    "#);
    let json = run(&scratch, document.as_bytes(), "--export tree --json")
        .expect(1)
        .json();
    insta::assert_snapshot!(format!("{:#}", shape(&json)), @r#"
    {
      "type": "string",
      "success": "boolean",
      "error": {
        "type": "string",
        "details": {
          "stage": {
            "id": "string",
            "type": "string",
            "output": "string",
            "error": {
              "type": "string",
              "data": {
                "type": "string",
                "value": "string",
                "traceback": "string"
              }
            }
          }
        }
      },
      "sources": {
        "success": "boolean"
      },
      "log": {
        "tree": [
          {
            "id": "string",
            "type": "string",
            "output": "string"
          },
          {
            "id": "string",
            "type": "string",
            "output": "string",
            "success": "boolean",
            "error": {
              "type": "string",
              "data": {
                "type": "string",
                "value": "string",
                "traceback": "string"
              }
            }
          }
        ]
      }
    }
    "#);
    assert!(
        !scratch.path("out/tree").exists(),
        "what failed is not exported"
    );
}

#[test]
fn a_pipeline_that_was_kept_before_a_failure_is_not_built_again() {
    let scratch = Scratch::new();
    let fails = manifest::of(json!([
        { "name": "good", "stages": [manifest::hostname("good")] },
        { "name": "bad", "build": "name:good", "stages": [manifest::error(1)] },
    ]));
    let once = |document: &Value| {
        run(
            &scratch,
            document.to_string().as_bytes(),
            "--export bad --checkpoint good --json",
        )
    };
    let first = once(&fails).expect(1).json();
    assert_eq!(first["log"]["good"].as_array().map(Vec::len), Some(1));
    let mut works = fails;
    works["pipelines"][1]["stages"] = json!([manifest::hostname("bad")]);
    let second = once(&works).expect(0).json();
    assert_eq!(second["log"].get("good"), None, "good was built once only");
    assert_eq!(second["log"]["bad"].as_array().map(Vec::len), Some(1));
}

#[test]
fn a_program_that_the_build_root_lacks() {
    if !machine::offers(&[]) {
        return;
    }
    let scratch = Scratch::new();
    let mut document = manifest::disk();
    let build = json!({ "name": "build", "runner": "org.osbuild.linux", "stages": [
        manifest::stage("org.osbuild.mkdir", json!({ "paths": [{ "path": "/usr/bin", "parents": true }] })),
    ] });
    let pipelines = document["pipelines"].as_array_mut().expect("pipelines");
    pipelines.insert(0, build);
    pipelines[2]["build"] = "name:build".into();
    let ended = run(
        &scratch,
        document.to_string().as_bytes(),
        "--export image --quiet",
    )
    .expect(1);
    insta::assert_snapshot!(steady(&ended.all(), Some(&scratch)).trim(), @r#"
    error: org.osbuild.sfdisk failed in pipeline image: sfdisk: the build root has no such program: install fdisk (Debian) or util-linux (Fedora) there (at .pipelines[2].stages[1])
      id: [ID]
      log:
        | error: sfdisk: the build root has no such program: install fdisk (Debian) or util-linux (Fedora) there
    hint: sfdisk is missing in the build root: add fdisk (Debian) or util-linux (Fedora) to pipeline build
    "#);
    machine::assert_nothing_left(scratch.root());
}

#[test]
fn a_stage_alone_with_wrong_arguments() {
    let scratch = Scratch::new();
    let tree = scratch.directory("tree");
    let run = |arguments: &[u8], tree: &Path| {
        let program = Program::new("stage run org.osbuild.hostname").option("--tree", tree);
        let ended = program
            .option("--args", scratch.write("arguments", arguments))
            .run();
        format!(
            "{}: {}",
            ended.code(),
            steady(&ended.all(), Some(&scratch)).trim()
        )
    };
    let said = [
        run(b"{", &tree),
        run(b"[]", &tree),
        run(br#"{"options": {"hostname": 5}}"#, &tree),
        run(b"{}", &tree),
        run(
            br#"{"options": {"hostname": "a"}}"#,
            &scratch.path("missing/tree"),
        ),
    ];
    insta::assert_snapshot!(said.join("\n"), @"
    2: error: [DIR]/arguments is not JSON: line 1, column 2: the name of a member in double quotes is expected here
     --> [DIR]/arguments:1:2
      |
    1 | {
      |  ^ here
    1: error: arguments: must be a JSON object
    1: error: options.hostname: invalid type: number, expected a string
    1: error: options: missing field `hostname`
    2: error: --tree [DIR]/missing/tree
      cause: No such file or directory (os error 2)
    ");
}

#[test]
fn a_stage_of_a_plugin_that_is_gone_is_unknown() {
    let scratch = Scratch::new();
    let document = manifest::tree(json!([manifest::stage(
        "test.files",
        json!({ "steps": [] })
    )]))
    .to_string();
    run(&scratch, document.as_bytes(), "")
        .expect(2)
        .says("test.files");
    let with = format!("--libdir {}", hostile::library().display());
    run(&scratch, document.as_bytes(), &with).expect(0);
    // A library directory that is not there is a mistake, not an empty one.
    Program::new("run --libdir /nonexistent")
        .arg(scratch.path("manifest.json"))
        .limit(Duration::from_secs(20))
        .run()
        .expect(2)
        .says("/nonexistent");
}
