//! Pipelines that are built at the same time.
use super::{Shared, pipeline_finished, pipeline_started, run_finished, run_started, stage_log};
use crate::monitor::{InOrder, LogMonitor};
use osbuild_wasm_events::{Event, Observer};

fn told(events: &[Event]) -> Vec<String> {
    let out = Shared::default();
    let monitor = InOrder::new(LogMonitor::new(out.clone(), false));
    events.iter().for_each(|event| monitor.event(event));
    let words = ["a1", "a2", "b1", "b2", "c1", "finished", "failed"];
    let text = out.text();
    text.split_whitespace()
        .filter(|word| words.contains(word))
        .map(str::to_owned)
        .collect()
}

fn log(pipeline: &str, text: &str) -> Event {
    stage_log(pipeline, "org.osbuild.noop", "id", &format!("{text}\n"))
}

#[test]
fn logs_of_parallel_pipelines_come_in_the_order_of_the_schedule() {
    let events = [
        run_started(0, &["a", "b", "c"]),
        pipeline_started("b", "2", 1),
        pipeline_started("a", "1", 1),
        log("b", "b1"),
        log("a", "a1"),
        log("b", "b2"),
        pipeline_finished("b", true, false),
        pipeline_started("c", "3", 1),
        log("c", "c1"),
        log("a", "a2"),
        pipeline_finished("a", true, false),
        pipeline_finished("c", true, false),
        run_finished(true),
    ];
    assert_eq!(told(&events), ["a1", "a2", "b1", "b2", "c1", "finished"]);
}

#[test]
fn what_a_failure_cut_short_is_still_told() {
    let events = [
        run_started(0, &["a", "b", "c"]),
        pipeline_started("b", "2", 1),
        log("b", "b1"),
        pipeline_started("a", "1", 1),
        log("a", "a1"),
        pipeline_finished("b", false, false),
        run_finished(false),
    ];
    assert_eq!(told(&events), ["a1", "b1", "failed"]);
}
