//! What a build gives back: exports, checkpoints, result documents, monitors.
use osbuild_wasm_tests::text::{shape, steady};
use osbuild_wasm_tests::{Ended, Program, Scratch, manifest};
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn two_trees() -> Value {
    manifest::of(json!([
        { "name": "first", "stages": [manifest::hostname("one"), manifest::stage("org.osbuild.mkdir", json!({ "paths": [{ "path": "/a" }] }))] },
        { "name": "second", "stages": [manifest::hostname("two")] },
        { "name": "unused", "stages": [manifest::error(1)] },
    ]))
}

fn run(scratch: &Scratch, options: &str) -> Ended {
    Program::new(&format!("run {options}"))
        .option("--store", scratch.path("store"))
        .option("--output-directory", scratch.path("out"))
        .arg(scratch.json("manifest", &two_trees()))
        .run()
}

/// Names in a directory of the scratch directory.
fn names(scratch: &Scratch, directory: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(scratch.path(directory))
        .into_iter()
        .flatten()
        .flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

#[test]
fn several_exports_and_nothing_else_is_built() {
    let scratch = Scratch::new();
    run(&scratch, "--export first --export second").expect(0);
    assert_eq!(
        names(&scratch, "out"),
        BTreeSet::from(["first".into(), "second".into()])
    );
    assert_eq!(scratch.read("out/first/etc/hostname"), "one\n");
    assert_eq!(scratch.read("out/second/etc/hostname"), "two\n");
    assert!(scratch.path("out/first/a").is_dir());
}

#[test]
fn an_export_goes_over_what_is_there_and_leaves_the_rest() {
    let scratch = Scratch::new();
    scratch.write(
        "out/second/etc/hostname",
        "older and longer than the new one\n",
    );
    scratch.write("out/second/other", "");
    run(&scratch, "--export second").expect(0);
    assert_eq!(
        names(&scratch, "out/second"),
        BTreeSet::from(["etc".into(), "other".into()])
    );
    assert_eq!(scratch.read("out/second/etc/hostname"), "two\n");
}

#[test]
fn a_second_run_uses_what_the_first_kept_and_says_so() {
    let scratch = Scratch::new();
    let options = "--export first --export second --checkpoint first";
    let first = run(&scratch, options).expect(0);
    insta::assert_snapshot!(table(&first.stdout, &scratch), @r#"
    Pipeline  Result  Stages  Time  Exported to
    first  built  2  [TIME]  [DIR]/out/first
    second  built  1  [TIME]  [DIR]/out/second
    "#);
    let second = run(&scratch, options).expect(0);
    let second_table = table(&second.stdout, &scratch);
    let line = |name: &str| {
        second_table
            .lines()
            .find(|line| line.starts_with(name))
            .expect("a line")
            .to_owned()
    };
    assert!(!line("first").contains("not finished"), "{second_table}");
    assert!(line("first").contains("cached"), "{second_table}");
    assert!(
        line("second").contains("built"),
        "`second` was not kept: {second_table}"
    );
    assert!(
        !second.stderr.contains("pipeline first: org.osbuild"),
        "no stage of `first` ran again:\n{}",
        second.stderr
    );
    assert!(
        second
            .stderr
            .contains("pipeline second: org.osbuild.hostname"),
        "`second` was not kept:\n{}",
        second.stderr
    );
}

/// The closing table with its columns two blanks apart, whatever the times are.
fn table(text: &str, scratch: &Scratch) -> String {
    let words = |line: &str| {
        line.split("  ")
            .filter(|cell| !cell.is_empty())
            .map(str::trim)
            .collect::<Vec<_>>()
            .join("  ")
    };
    steady(text, Some(scratch))
        .trim()
        .lines()
        .map(words)
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn only_what_a_checkpoint_names_is_kept() {
    let inspected = |scratch: &Scratch| {
        let manifest = scratch.json("manifest", &two_trees());
        let inspected = Program::new("inspect").arg(manifest).run().expect(0).json();
        let ids = |pipeline: usize| {
            let stages = inspected["pipelines"][pipeline]["stages"]
                .as_array()
                .expect("stages")
                .iter();
            stages
                .map(|stage| stage["id"].as_str().expect("an id").to_owned())
                .collect::<Vec<_>>()
        };
        (ids(0), ids(1))
    };
    for (patterns, expected) in [
        ("--checkpoint first", vec![(0, 1)]),
        ("--checkpoint f*", vec![(0, 1)]),
        ("--checkpoint org.osbuild.hostname", vec![(0, 0), (1, 0)]),
        (
            "--checkpoint *.mkdir --checkpoint second",
            vec![(0, 1), (1, 0)],
        ),
        ("--checkpoint *", vec![(0, 0), (0, 1), (1, 0)]),
    ] {
        let scratch = Scratch::new();
        run(
            &scratch,
            &format!("--export first --export second {patterns}"),
        )
        .expect(0);
        let (first, second) = inspected(&scratch);
        let id = |(pipeline, stage): &(usize, usize)| [&first, &second][*pipeline][*stage].clone();
        assert_eq!(
            names(&scratch, "store/objects"),
            expected.iter().map(id).collect(),
            "{patterns}"
        );
    }
}

#[test]
fn a_stage_is_taken_up_where_a_kept_one_ends() {
    let scratch = Scratch::new();
    run(&scratch, "--export second --checkpoint *").expect(0);
    let longer = manifest::of(
        json!([{ "name": "longer", "stages": [manifest::hostname("two"), manifest::stage("org.osbuild.mkdir", json!({ "paths": [{ "path": "/b" }] }))] }]),
    );
    let ended = Program::new("run --json --export longer")
        .option("--store", scratch.path("store"))
        .option("--output-directory", scratch.path("out"))
        .arg(scratch.json("longer", &longer))
        .run()
        .expect(0);
    let log = &ended.json()["log"]["longer"];
    let ran: Vec<_> = log
        .as_array()
        .expect("stages")
        .iter()
        .map(|stage| stage["type"].as_str().unwrap_or_default())
        .collect();
    assert_eq!(ran, ["org.osbuild.mkdir"]);
    assert_eq!(scratch.read("out/longer/etc/hostname"), "two\n");
}

#[test]
fn the_result_of_a_success_as_json() {
    let scratch = Scratch::new();
    let ended = run(&scratch, "--json --export first").expect(0);
    assert_eq!(ended.stderr, "");
    insta::assert_snapshot!(format!("{:#}", shape(&ended.json())), @r#"
    {
      "type": "string",
      "success": "boolean",
      "metadata": {},
      "sources": {
        "success": "boolean"
      },
      "log": {
        "first": [
          {
            "id": "string",
            "type": "string",
            "output": "string"
          }
        ]
      }
    }
    "#);
}

#[test]
fn the_result_of_a_failure_as_json() {
    let scratch = Scratch::new();
    let ended = run(&scratch, "--json --export unused").expect(1);
    assert_eq!(ended.stderr, "");
    insta::assert_snapshot!(steady(&format!("{:#}", ended.json()), Some(&scratch)), @r#"
    {
      "type": "error",
      "success": false,
      "error": {
        "type": "org.osbuild.error.stage",
        "details": {
          "stage": {
            "id": "[ID]",
            "type": "org.osbuild.error",
            "output": "error: failing with status 1, as asked\n",
            "error": {
              "type": "exception",
              "data": {
                "type": "failed",
                "value": "failing with status 1, as asked",
                "traceback": ""
              }
            }
          }
        }
      },
      "sources": {
        "success": true
      },
      "log": {
        "unused": [
          {
            "id": "[ID]",
            "type": "org.osbuild.error",
            "output": "error: failing with status 1, as asked\n",
            "success": false,
            "error": {
              "type": "exception",
              "data": {
                "type": "failed",
                "value": "failing with status 1, as asked",
                "traceback": ""
              }
            }
          }
        ]
      }
    }
    "#);
}

#[test]
fn a_json_sequence_is_one_json_document_per_record() {
    let scratch = Scratch::new();
    let ended = run(&scratch, "--monitor JSONSeqMonitor --export first").expect(0);
    let mut records = ended.stdout.split('\u{1e}');
    assert_eq!(records.next(), Some(""), "{}", ended.stdout);
    let records: Vec<_> = records.collect();
    assert!(records.len() > 2, "{}", ended.stdout);
    for record in &records {
        serde_json::from_str::<Value>(record).unwrap_or_else(|error| panic!("{error}: {record:?}"));
    }
}

#[test]
fn a_monitor_writes_to_its_descriptor() {
    let scratch = Scratch::new();
    let (reader, writer) = rustix::pipe::pipe().expect("a pipe");
    let number = rustix::fd::AsRawFd::as_raw_fd(&writer);
    rustix::io::fcntl_setfd(&writer, rustix::io::FdFlags::empty()).expect("inherited");
    let running = Program::new("run --json --monitor JSONSeqMonitor --export second --monitor-fd")
        .arg(number.to_string())
        .option("--store", scratch.path("store"))
        .option("--output-directory", scratch.path("out"))
        .arg(scratch.json("manifest", &two_trees()))
        .start();
    drop(writer);
    let mut text = String::new();
    std::io::Read::read_to_string(&mut std::fs::File::from(reader), &mut text).expect("text");
    let ended = running.wait().expect(0);
    assert!(text.starts_with('\u{1e}'), "{text}");
    assert_eq!(ended.json()["success"], true);
}

#[test]
fn the_log_of_osbuild_is_written_as_osbuild_writes_it() {
    let scratch = Scratch::new();
    let ended = run(
        &scratch,
        "--monitor LogMonitor --export first --checkpoint first",
    )
    .expect(0);
    insta::assert_snapshot!(steady(&ended.stdout, Some(&scratch)).trim(), @r#"
    starting [DIR]/manifest
    Pipeline first: [ID]
    Build
      root: <host>
      runner: [RUNNER]
    org.osbuild.hostname: [ID] {
      "hostname": "one"
    }

    ⏱  Duration: [TIME]
    org.osbuild.mkdir: [ID] {
      "paths": [
        {
          "path": "/a"
        }
      ]
    }

    ⏱  Duration: [TIME]
    manifest [DIR]/manifest finished successfully

    Pipelines
      first:    	[ID]
      second:   	[ID]
      unused:   	[ID]

    Checkpoints
      [ID]: cached
    "#);
}

#[test]
fn a_manifest_on_standard_input() {
    let scratch = Scratch::new();
    let file = scratch.json("manifest", &two_trees());
    let script = format!("exec \"$0\" inspect - <{}", file.display());
    let piped = Program::shell(&script).run().expect(0);
    let named = Program::new("inspect").arg(&file).run().expect(0);
    assert_eq!(piped.json(), named.json());
}

#[test]
fn inspect_builds_nothing_and_agrees_with_run_inspect() {
    let scratch = Scratch::new();
    let file = scratch.json("manifest", &two_trees());
    let inspect = Program::new("inspect").arg(&file).run().expect(0);
    let run = Program::new("run --inspect")
        .option("--store", scratch.path("store"))
        .arg(&file)
        .run()
        .expect(0);
    assert_eq!(inspect.stdout, run.stdout);
    assert!(!scratch.path("store").exists());
}

#[test]
fn two_runs_share_a_store_at_the_same_time() {
    let scratch = Scratch::new();
    let start = |name: &str| {
        Program::new(&format!("run --export {name} --checkpoint *"))
            .option("--store", scratch.path("store"))
            .option("--output-directory", scratch.path(&format!("out-{name}")))
            .arg(scratch.json(&format!("manifest-{name}"), &two_trees()))
            .start()
    };
    let running = [start("first"), start("second")];
    for running in running {
        running.wait().expect(0);
    }
    assert_eq!(scratch.read("out-first/first/etc/hostname"), "one\n");
    assert_eq!(scratch.read("out-second/second/etc/hostname"), "two\n");
}
