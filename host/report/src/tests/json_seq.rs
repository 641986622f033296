//! The JSON sequence.

use super::*;
use crate::JsonSeqMonitor;
use crate::result_v2;

/// The records of a sequence, without their framing.
fn records(events: &[Event]) -> Vec<Value> {
    let text = written(
        |out| JsonSeqMonitor::with_clock(out, || 1_795_292_701.5),
        events,
    );
    let records = text.split_inclusive('\n');
    records
        .map(|record| {
            let record = record.strip_prefix('\u{1e}').expect("a record separator");
            json(record.strip_suffix('\n').expect("a newline"))
        })
        .collect()
}

fn text<'a>(record: &'a Value, path: &[&str]) -> Option<&'a str> {
    path.iter()
        .try_fold(record, |value, key| value.get(key))?
        .as_str()
}

/// One source, two pipelines; metadata and options in the second.
fn captured_run() -> Vec<Event> {
    let module = "org.osbuild.noop";
    let capture = "org.example.capture";
    vec![
        Event::RunStarted {
            manifest: "../m/mon.json".into(),
            sources: 1,
            pipelines: vec!["one".into(), "two".into()],
        },
        Event::SourceStarted {
            module: "org.osbuild.inline".into(),
            id: INLINE.into(),
        },
        Event::SourceFinished(source(
            "org.osbuild.inline",
            INLINE,
            vec![item(HELLO, false, None)],
        )),
        pipeline_started("one", NOOP, 1),
        stage_started("one", module, NOOP, "{}"),
        stage_log(
            "one",
            module,
            NOOP,
            "Not doing anything with these options:",
        ),
        stage_log("one", module, NOOP, " {}\n"),
        Event::StageFinished(StageOutcome {
            output: "Not doing anything with these options: {}\n".into(),
            ..stage("one", module, NOOP)
        }),
        pipeline_finished("one", true, false),
        pipeline_started("two", "2b", 2),
        stage_started("two", capture, "2a", r#"{"meta": {"a": 1}}"#),
        Event::StageFinished(StageOutcome {
            metadata: Some(json(r#"{"a": 1}"#)),
            ..stage("two", capture, "2a")
        }),
        stage_started("two", module, "2b", "{}"),
        Event::StageFinished(stage("two", module, "2b")),
        pipeline_finished("two", true, false),
        run_finished(true),
    ]
}

#[test]
fn a_run_is_told_as_osbuild_tells_it() {
    let text = written(
        |out| JsonSeqMonitor::with_clock(out, || 1_795_292_701.5),
        &captured_run(),
    );
    insta::assert_snapshot!(text.replace('\u{1e}', "<RS>"), @r#"
    <RS>{"message": "starting ../m/mon.json", "context": {"origin": "osbuild.main_cli", "pipeline": {"stage": {}}, "id": "ede22f789202b9017bd24089276f57f559018c593914632c80206be12f5b3bb0"}, "progress": {"name": "pipelines/sources", "total": 3, "done": 0}, "timestamp": 1795292701.5}
    <RS>{"message": "Starting pipeline source org.osbuild.inline", "context": {"origin": "osbuild.monitor", "pipeline": {"name": "source org.osbuild.inline", "id": "b8a04e4042cdd6b31d19a5b3e80821088521893f35b6a9903a643d454adaad86", "stage": {}}, "id": "85a970d4c996aa02ceaa1e28c39118f820754623ddb38f7c9bc0f4d429839185"}, "progress": {"name": "pipelines/sources", "total": 3, "done": 0}, "timestamp": 1795292701.5}
    <RS>{"message": "Finished module source org.osbuild.inline", "result": {"name": "source org.osbuild.inline", "source_type": "org.osbuild.inline", "success": true, "output": "source org.osbuild.inline finished successfully", "results": [{"success": true, "metadata": {"checksum": "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824", "cached": false}, "error": ""}]}, "context": {"id": "85a970d4c996aa02ceaa1e28c39118f820754623ddb38f7c9bc0f4d429839185"}, "progress": {"name": "pipelines/sources", "total": 3, "done": 0}, "timestamp": 1795292701.5}
    <RS>{"message": "Finished pipeline org.osbuild.inline", "context": {"id": "85a970d4c996aa02ceaa1e28c39118f820754623ddb38f7c9bc0f4d429839185"}, "progress": {"name": "pipelines/sources", "total": 3, "done": 1}, "timestamp": 1795292701.5}
    <RS>{"message": "Starting pipeline one", "context": {"origin": "osbuild.monitor", "pipeline": {"name": "one", "id": "beda46704765a47e6d4f44aff22168ae36866c9c0e6e11552b775b77776b2969", "stage": {}}, "id": "1270adde574f03844313367996fc662c5be3ec00218eb78193b72b837b9a98f3"}, "progress": {"name": "pipelines/sources", "total": 3, "done": 1, "progress": {"name": "pipeline: one", "total": 1, "done": 0}}, "timestamp": 1795292701.5}
    <RS>{"message": "Starting module org.osbuild.noop", "context": {"origin": "osbuild.monitor", "pipeline": {"name": "one", "id": "beda46704765a47e6d4f44aff22168ae36866c9c0e6e11552b775b77776b2969", "stage": {"name": "org.osbuild.noop", "id": "beda46704765a47e6d4f44aff22168ae36866c9c0e6e11552b775b77776b2969"}}, "id": "c324d23911d96be40fa6ea489b28fe4addd081bf23bc6e6a8acdfc6e7a144b15"}, "progress": {"name": "pipelines/sources", "total": 3, "done": 1, "progress": {"name": "pipeline: one", "total": 1, "done": 0}}, "timestamp": 1795292701.5}
    <RS>{"message": "Not doing anything with these options:", "context": {"origin": "stages/org.osbuild.noop", "pipeline": {"name": "one", "id": "beda46704765a47e6d4f44aff22168ae36866c9c0e6e11552b775b77776b2969", "stage": {"name": "org.osbuild.noop", "id": "beda46704765a47e6d4f44aff22168ae36866c9c0e6e11552b775b77776b2969"}}, "id": "542231e74277c6f819576976778b8e767a8603df83e86817b73abb666363c2d4"}, "progress": {"name": "pipelines/sources", "total": 3, "done": 1, "progress": {"name": "pipeline: one", "total": 1, "done": 0}}, "timestamp": 1795292701.5}
    <RS>{"message": " {}\n", "context": {"id": "542231e74277c6f819576976778b8e767a8603df83e86817b73abb666363c2d4"}, "progress": {"name": "pipelines/sources", "total": 3, "done": 1, "progress": {"name": "pipeline: one", "total": 1, "done": 0}}, "timestamp": 1795292701.5}
    <RS>{"message": "Finished module org.osbuild.noop", "result": {"name": "org.osbuild.noop", "id": "beda46704765a47e6d4f44aff22168ae36866c9c0e6e11552b775b77776b2969", "success": true, "output": "Not doing anything with these options: {}\n"}, "context": {"id": "c324d23911d96be40fa6ea489b28fe4addd081bf23bc6e6a8acdfc6e7a144b15"}, "progress": {"name": "pipelines/sources", "total": 3, "done": 1, "progress": {"name": "pipeline: one", "total": 1, "done": 1}}, "timestamp": 1795292701.5, "duration": 0.75}
    <RS>{"message": "Finished pipeline one", "context": {"id": "1270adde574f03844313367996fc662c5be3ec00218eb78193b72b837b9a98f3"}, "progress": {"name": "pipelines/sources", "total": 3, "done": 2}, "timestamp": 1795292701.5}
    <RS>{"message": "Starting pipeline two", "context": {"origin": "osbuild.monitor", "pipeline": {"name": "two", "id": "2b", "stage": {}}, "id": "22c379d21f27988f29186514e82b352a1419ca86f54cb24a3a8fe360e4000eb5"}, "progress": {"name": "pipelines/sources", "total": 3, "done": 2, "progress": {"name": "pipeline: two", "total": 2, "done": 0}}, "timestamp": 1795292701.5}
    <RS>{"message": "Starting module org.example.capture", "context": {"origin": "osbuild.monitor", "pipeline": {"name": "two", "id": "2b", "stage": {"name": "org.example.capture", "id": "2a"}}, "id": "87d1c4903e1d56557d1d858d0c8040a763dd46f35802fcf60b29c4a8bc40230b"}, "progress": {"name": "pipelines/sources", "total": 3, "done": 2, "progress": {"name": "pipeline: two", "total": 2, "done": 0}}, "timestamp": 1795292701.5}
    <RS>{"message": "Finished module org.example.capture", "result": {"name": "org.example.capture", "id": "2a", "success": true}, "context": {"id": "87d1c4903e1d56557d1d858d0c8040a763dd46f35802fcf60b29c4a8bc40230b"}, "progress": {"name": "pipelines/sources", "total": 3, "done": 2, "progress": {"name": "pipeline: two", "total": 2, "done": 1}}, "options": {"meta": {"a": 1}}, "timestamp": 1795292701.5, "duration": 0.75, "metadata": {"a": 1}}
    <RS>{"message": "Starting module org.osbuild.noop", "context": {"origin": "osbuild.monitor", "pipeline": {"name": "two", "id": "2b", "stage": {"name": "org.osbuild.noop", "id": "2b"}}, "id": "1700f6993680f119f854addc45bdd74878fe3eeb17355028d64e909b30e2a702"}, "progress": {"name": "pipelines/sources", "total": 3, "done": 2, "progress": {"name": "pipeline: two", "total": 2, "done": 1}}, "timestamp": 1795292701.5}
    <RS>{"message": "Finished module org.osbuild.noop", "result": {"name": "org.osbuild.noop", "id": "2b", "success": true}, "context": {"id": "1700f6993680f119f854addc45bdd74878fe3eeb17355028d64e909b30e2a702"}, "progress": {"name": "pipelines/sources", "total": 3, "done": 2, "progress": {"name": "pipeline: two", "total": 2, "done": 2}}, "timestamp": 1795292701.5, "duration": 0.75}
    <RS>{"message": "Finished pipeline two", "context": {"id": "22c379d21f27988f29186514e82b352a1419ca86f54cb24a3a8fe360e4000eb5"}, "progress": {"name": "pipelines/sources", "total": 3, "done": 3}, "timestamp": 1795292701.5}
    <RS>{"message": "manifest ../m/mon.json finished successfully\n", "context": {"id": "ede22f789202b9017bd24089276f57f559018c593914632c80206be12f5b3bb0"}, "progress": {"name": "pipelines/sources", "total": 3, "done": 3}, "timestamp": 1795292701.5}
    "#);
}

#[test]
fn context_ids_are_those_of_osbuild() {
    let records = records(&captured_run());
    let id = |index: usize| text(&records[index], &["context", "id"]).unwrap();
    let source = "85a970d4c996aa02ceaa1e28c39118f820754623ddb38f7c9bc0f4d429839185";
    let stage = "c324d23911d96be40fa6ea489b28fe4addd081bf23bc6e6a8acdfc6e7a144b15";
    let output = "542231e74277c6f819576976778b8e767a8603df83e86817b73abb666363c2d4";
    assert_eq!(
        id(0),
        "ede22f789202b9017bd24089276f57f559018c593914632c80206be12f5b3bb0"
    );
    assert_eq!([id(1), id(2), id(3)], [source; 3]);
    assert_eq!(
        id(4),
        "1270adde574f03844313367996fc662c5be3ec00218eb78193b72b837b9a98f3"
    );
    assert_eq!([id(5), id(8)], [stage; 2]);
    assert_eq!([id(6), id(7)], [output; 2]);
}

#[test]
fn a_context_is_full_once() {
    let records = records(&captured_run());
    let full = |index: usize| {
        records[index]
            .get("context")
            .unwrap()
            .get("origin")
            .is_some()
    };
    assert!(full(1) && !full(2) && !full(3));
}

#[test]
fn a_stage_is_in_the_context_only_while_it_runs() {
    let records = records(&captured_run());
    let starting_two = records
        .iter()
        .find(|record| text(record, &["message"]) == Some("Starting pipeline two"))
        .unwrap();
    let context = starting_two.get("context").unwrap();
    assert_eq!(
        context.get("pipeline").and_then(|two| two.get("stage")),
        Some(&Value::object())
    );
}

#[test]
fn parallel_pipelines_each_have_their_own_progress_and_stage() {
    let records = records(&[
        run_started(0, &["one", "two"]),
        pipeline_started("a", "1", 3),
        pipeline_started("b", "2", 2),
        stage_started("a", "org.osbuild.noop", "1", "{}"),
        stage_started("b", "org.osbuild.copy", "2", "{}"),
        Event::StageFinished(stage("a", "org.osbuild.noop", "1")),
        Event::HostLog {
            pipeline: "b".into(),
            origin: "device/disk (org.osbuild.loopback)".into(),
            text: "loop0 acquired".into(),
        },
    ]);
    let below = |index: usize| {
        records[index]
            .get("progress")
            .unwrap()
            .get("progress")
            .unwrap()
    };
    assert_eq!(
        below(5),
        &json(r#"{"name": "pipeline: a", "total": 3, "done": 1}"#)
    );
    assert_eq!(
        below(6),
        &json(r#"{"name": "pipeline: b", "total": 2, "done": 0}"#)
    );
    assert_eq!(
        text(&records[6], &["context", "origin"]),
        Some("org.osbuild")
    );
    assert_eq!(
        text(&records[6], &["context", "pipeline", "stage", "name"]),
        Some("org.osbuild.copy")
    );
    assert_eq!(
        text(&records[6], &["message"]),
        Some("device/disk (org.osbuild.loopback): loop0 acquired\n")
    );
}

#[test]
fn failures_count_as_progress_and_end_the_sequence_with_a_word() {
    let bad = failed(stage("t", "org.osbuild.error", NOOP), "boom\n");
    let records = records(&[
        run_started(1, &["os"]),
        Event::SourceFinished(failed_source()),
        pipeline_started("t", NOOP, 1),
        Event::StageFinished(bad),
        pipeline_finished("t", false, false),
        run_finished(false),
    ]);
    let done = |record: &Value| record.get("progress")?.get("done")?.as_u64();
    assert_eq!(done(&records[2]), Some(1));
    assert_eq!(done(&records[5]), Some(2));
    assert_eq!(
        text(&records[6], &["message"]),
        Some("manifest m.json failed\n")
    );
    let result = json(
        r#"{"name": "source org.osbuild.inline", "source_type": "org.osbuild.inline", "success": false, "output": "Checksum mismatch for sha256:0000",
            "results": [{"success": false, "metadata": {"checksum": "sha256:0000", "cached": false}, "error": "Checksum mismatch for sha256:0000"}]}"#,
    );
    assert_eq!(records[1].get("result"), Some(&result));
}

#[test]
fn cached_pipelines_are_no_part_of_the_sequence() {
    let records = records(&[
        run_started(0, &["build"]),
        pipeline_finished("build", true, true),
    ]);
    assert_eq!(records.len(), 1);
}

#[test]
fn nulls_and_empty_texts_are_dropped_but_not_in_arrays() {
    let options = r#"{"keep": 0, "null": null, "empty": "", "inner": {"x": null}, "list": [null, "", {"y": null}]}"#;
    let records = records(&[
        pipeline_started("t", NOOP, 1),
        stage_started("t", "org.osbuild.noop", NOOP, options),
        Event::StageFinished(stage("t", "org.osbuild.noop", NOOP)),
    ]);
    let expected = json(r#"{"keep": 0, "inner": {}, "list": [null, "", {"y": null}]}"#);
    assert_eq!(records[2].get("options"), Some(&expected));
    assert_eq!(records[2].get("result").unwrap().get("output"), None);
}

#[test]
fn long_output_is_cut_in_the_record_only() {
    let manifest = manifest(
        r#"{"version": "2", "pipelines": [{"name": "t", "stages": [{"type": "org.osbuild.noop"}]}]}"#,
    );
    let long = StageOutcome {
        output: "é".repeat(31_010),
        ..stage("t", "org.osbuild.noop", NOOP)
    };
    let records = records(&[
        pipeline_started("t", NOOP, 1),
        Event::StageFinished(long.clone()),
    ]);
    let cut = format!("[...10 bytes hidden...]\n{}", "é".repeat(31_000));
    assert_eq!(text(&records[1], &["result", "output"]), Some(cut.as_str()));
    let document = result_v2(
        &manifest,
        &outcome(vec![pipeline(&manifest, "t", vec![long.clone()])], None),
    );
    let log = document
        .get("log")
        .and_then(|log| log.get("t")?.as_array())
        .unwrap();
    assert_eq!(text(&log[0], &["output"]), Some(long.output.as_str()));
}

#[test]
fn long_source_results_are_left_out() {
    let items = (0..400).map(|_| item(HELLO, true, None)).collect();
    let records = records(&[Event::SourceFinished(source(
        "org.osbuild.curl",
        INLINE,
        items,
    ))]);
    assert_eq!(
        records[0].get("result").unwrap().get("results"),
        Some(&json("[]"))
    );
}
