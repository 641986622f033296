//! The log monitor and the trailer.

use super::*;
use crate::{Checkpoint, Colour, LogMonitor, trailer};

fn log(events: &[Event]) -> String {
    written(|out| LogMonitor::new(out, false), events)
}

#[test]
fn a_run_has_titles_options_output_and_durations() {
    let mut started = pipeline_started("t", NOOP, 1);
    if let Event::PipelineStarted { source_epoch, .. } = &mut started {
        *source_epoch = Some(1_700_000_000);
    }
    let text = log(&[
        run_started(1, &["os"]),
        Event::SourceStarted {
            module: "org.osbuild.inline".into(),
            id: INLINE.into(),
        },
        Event::SourceFinished(source(
            "org.osbuild.inline",
            INLINE,
            vec![item(HELLO, false, None)],
        )),
        started,
        stage_started("t", "org.osbuild.noop", NOOP, r#"{"x": 1}"#),
        stage_log(
            "t",
            "org.osbuild.noop",
            NOOP,
            "Not doing anything with these options:",
        ),
        stage_log("t", "org.osbuild.noop", NOOP, " {'x': 1}\n"),
        Event::HostLog {
            pipeline: "t".into(),
            origin: "device/disk (org.osbuild.loopback)".into(),
            text: "loop0 acquired (locked: True)\n".into(),
        },
        Event::StageFinished(stage("t", "org.osbuild.noop", NOOP)),
        pipeline_finished("t", true, false),
        run_finished(true),
    ]);
    insta::assert_snapshot!(text, @r#"
    starting m.json
    Pipeline source org.osbuild.inline: b8a04e4042cdd6b31d19a5b3e80821088521893f35b6a9903a643d454adaad86
    Build
      root: <host>
    Pipeline t: beda46704765a47e6d4f44aff22168ae36866c9c0e6e11552b775b77776b2969
    Build
      root: <host>
      runner: org.osbuild.debian (org.osbuild.debian)
      source-epoch: Tue Nov 14 22:13:20 2023 UTC [1700000000]
    org.osbuild.noop: beda46704765a47e6d4f44aff22168ae36866c9c0e6e11552b775b77776b2969 {
      "x": 1
    }
    Not doing anything with these options: {'x': 1}
    device/disk (org.osbuild.loopback): loop0 acquired (locked: True)

    ⏱  Duration: 0.75s
    manifest m.json finished successfully
    "#);
}

#[test]
fn no_options_are_shown_as_empty_and_text_is_ascii() {
    let id = NOOP;
    let events = [
        stage_started("t", "org.osbuild.noop", id, "{}"),
        stage_started("t", "org.osbuild.noop", id, r#"{"b": "é", "a": []}"#),
    ];
    insta::assert_snapshot!(log(&events), @r#"
    org.osbuild.noop: beda46704765a47e6d4f44aff22168ae36866c9c0e6e11552b775b77776b2969 {}
    org.osbuild.noop: beda46704765a47e6d4f44aff22168ae36866c9c0e6e11552b775b77776b2969 {
      "b": "\u00e9",
      "a": []
    }
    "#);
}

#[test]
fn the_build_root_is_named_by_its_id() {
    let mut started = pipeline_started("t", NOOP, 1);
    if let Event::PipelineStarted { build, .. } = &mut started {
        *build = Some("f4bc".into());
    }
    assert!(
        log(&[started])
            .contains("\nBuild\n  root: f4bc\n  runner: org.osbuild.debian (org.osbuild.debian)\n")
    );
}

#[test]
fn the_reasons_of_a_source_failure_are_shown() {
    let mut silent = failed_source();
    silent.items.clear();
    silent.output = "cannot reach the server\n".into();
    let events = [
        Event::SourceFinished(failed_source()),
        Event::SourceFinished(silent),
        run_finished(false),
    ];
    insta::assert_snapshot!(log(&events), @r"
    source/org.osbuild.inline (org.osbuild.inline): Checksum mismatch for sha256:0000
    source/org.osbuild.inline (org.osbuild.inline): failed: cannot reach the server
    manifest  failed
    ");
}

#[test]
fn an_epoch_beyond_the_calendar_is_a_number() {
    let mut started = pipeline_started("t", NOOP, 1);
    if let Event::PipelineStarted { source_epoch, .. } = &mut started {
        *source_epoch = Some(i64::MAX);
    }
    assert!(log(&[started]).ends_with("  source-epoch: [9223372036854775807]\n"));
}

#[test]
fn titles_are_bold_only_when_asked() {
    let events = [
        pipeline_started("t", "1", 1),
        stage_started("t", "org.osbuild.noop", "1", "{}"),
    ];
    let ansi = written(|out| LogMonitor::new(out, true), &events);
    assert!(ansi.starts_with("\x1b[0m\x1b[1mPipeline t: 1\x1b[0m\nBuild\n"));
    assert!(ansi.ends_with("\x1b[0m\x1b[1morg.osbuild.noop: 1\x1b[0m {}\n"));
    assert!(!log(&events).contains('\x1b'));
}

#[test]
fn an_error_of_the_writer_is_kept() {
    let monitor = LogMonitor::new(Broken, false);
    monitor.event(&run_finished(true));
    monitor.event(&run_finished(true));
    assert_eq!(
        monitor.take_error().unwrap().kind(),
        io::ErrorKind::BrokenPipe
    );
    assert!(monitor.take_error().is_none());
}

#[test]
fn the_trailer_lists_pipelines_and_checkpoints() {
    let manifest = manifest(
        r#"{"version": "2", "pipelines": [{"name": "empty"}, {"name": "a-long-name", "stages": [{"type": "org.osbuild.noop"}]}]}"#,
    );
    let checkpoint = |id: &str, cached| Checkpoint {
        id: id.into(),
        cached,
    };
    let checkpoints = [checkpoint(NOOP, true), checkpoint("f4bc", false)];
    assert_eq!(
        trailer(&manifest, &checkpoints, Colour::Never),
        format!(
            "\nPipelines\n  empty:    \tNone\n  a-long-name:\t{NOOP}\n\nCheckpoints\n  {NOOP}: cached\n  f4bc: not cached\n"
        )
    );
    assert!(!trailer(&manifest, &[], Colour::Never).contains("Checkpoints"));
    assert!(trailer(&manifest, &checkpoints, Colour::Always).contains("\x1b["));
}
