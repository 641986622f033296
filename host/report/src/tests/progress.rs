//! The monitors for people who wait.

use super::*;
use crate::{Colour, Fanout, NullMonitor, PlainMonitor, ProgressMonitor};
use indicatif::{InMemoryTerm, ProgressDrawTarget};
use std::path::PathBuf;

fn events() -> Vec<Event> {
    let module = "org.osbuild.rpm";
    let mut resumed = pipeline_started("os", "f4bc", 9);
    if let Event::PipelineStarted { resumed, .. } = &mut resumed {
        *resumed = Some("953f".into());
    }
    vec![
        run_started(1, &["os", "image"]),
        Event::SourceStarted {
            module: "org.osbuild.curl".into(),
            id: INLINE.into(),
        },
        Event::SourceFinished(source(
            "org.osbuild.curl",
            INLINE,
            vec![item("a", true, None), item("b", false, None)],
        )),
        pipeline_finished("build", true, true),
        resumed,
        stage_started("os", module, "1", "{}"),
        stage_log("os", module, "1", "a lot of text\n"),
        Event::StageFinished(StageOutcome {
            duration: Duration::from_millis(3100),
            ..stage("os", module, "1")
        }),
        Event::StageFinished(failed(stage("os", "org.osbuild.error", "2"), "boom\n")),
        pipeline_finished("os", false, false),
        Event::Checkpoint {
            pipeline: "os".into(),
            id: "1".into(),
        },
        Event::Exported {
            name: "os".into(),
            path: PathBuf::from("out/os"),
        },
        run_finished(false),
    ]
}

#[test]
fn without_a_terminal_there_is_a_line_for_each_thing_done() {
    let text = written(|out| PlainMonitor::new(out, Colour::Never), &events());
    insta::assert_snapshot!(text, @r"
    building m.json: 1 source, 2 pipelines
    source org.osbuild.curl: 2 items (1 cached) ... done in 3.1 s
    pipeline build: cached
    pipeline os: goes on from 953f, which is in the store
    pipeline os: org.osbuild.rpm ... done in 3.1 s
    pipeline os: org.osbuild.error ... failed after 0.8 s
    pipeline os: failed after 2 min 5 s
    pipeline os: kept 1 in the store
    pipeline os: exported to out/os
    failed after 34.0 s
    ");
}

#[test]
fn plain_lines_have_colour_when_asked() {
    let text = written(|out| PlainMonitor::new(out, Colour::Always), &events());
    assert!(text.contains("\x1b[32mcached\x1b[0m"));
}

fn terminal() -> (InMemoryTerm, ProgressMonitor) {
    let terminal = InMemoryTerm::new(20, 80);
    let target = ProgressDrawTarget::term_like(Box::new(terminal.clone()));
    (terminal, ProgressMonitor::new(target, Colour::Never))
}

#[test]
fn a_terminal_shows_what_is_at_work() {
    let (terminal, monitor) = terminal();
    let source = "org.osbuild.curl";
    monitor.event(&Event::SourceStarted {
        module: source.into(),
        id: INLINE.into(),
    });
    monitor.event(&Event::SourceProgress {
        module: source.into(),
        items_done: 1,
        items_total: 2,
        bytes_done: 1024,
        bytes_total: Some(4096),
    });
    monitor.event(&pipeline_started("os", "f4bc", 4));
    monitor.event(&Event::StageFinished(stage("os", "org.osbuild.rpm", "1")));
    monitor.event(&stage_started("os", "org.osbuild.dracut", "2", "{}"));
    monitor.event(&stage_log("os", "org.osbuild.dracut", "2", "noise\n"));
    // Redrawing is limited to some frames a second; a line above the display draws it now.
    monitor.event(&pipeline_finished("build", true, true));
    let shown = terminal.contents();
    for part in [
        "pipeline build: cached\n",
        "source curl [==>",
        "1.00 KiB/4.00 KiB",
        "1/2 items\n",
        "pipeline os [======>",
        "1/4",
        "org.osbuild.dracut",
    ] {
        assert!(shown.contains(part), "{part:?} is not in\n{shown}");
    }
    assert!(
        !shown.contains("noise") && !shown.contains("org.osbuild.rpm"),
        "{shown}"
    );
}

#[test]
fn a_terminal_keeps_what_was_done_and_nothing_else() {
    let (terminal, monitor) = terminal();
    events().iter().for_each(|event| monitor.event(event));
    insta::assert_snapshot!(terminal.contents(), @r"
    source org.osbuild.curl: 2 items (1 cached) ... done in 3.1 s
    pipeline build: cached
    pipeline os: goes on from 953f, which is in the store
    pipeline os: org.osbuild.error ... failed after 0.8 s
    pipeline os: failed after 2 min 5 s
    pipeline os: kept 1 in the store
    pipeline os: exported to out/os
    ");
}

#[test]
fn a_fanout_tells_each_observer() {
    let (one, two) = (Shared::default(), Shared::default());
    let plain = |out: &Shared| -> Arc<dyn Observer> {
        Arc::new(PlainMonitor::new(out.clone(), Colour::Never))
    };
    let fanout = Fanout(vec![plain(&one), Arc::new(NullMonitor), plain(&two)]);
    fanout.event(&run_finished(true));
    assert_eq!(one.text(), "done in 34.0 s\n");
    assert_eq!(one.text(), two.text());
}

#[test]
fn spans_of_time_read_well() {
    for (millis, text) in [
        (4, "4 ms"),
        (100, "0.1 s"),
        (3_140, "3.1 s"),
        (59_940, "59.9 s"),
        (59_990, "1 min 0 s"),
        (125_000, "2 min 5 s"),
        (3_720_000, "1 h 2 min"),
    ] {
        assert_eq!(crate::text::duration(Duration::from_millis(millis)), text);
    }
}

#[test]
fn what_is_no_terminal_has_no_colour() {
    assert_eq!(Colour::of(&Vec::<u8>::new()), Colour::Never);
}
