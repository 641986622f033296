//! Events as single lines.

use crate::style::Colour;
use crate::text::{count, duration};
use osbuild_wasm_events::{Event, SourceOutcome, StageOutcome};
use osbuild_wasm_manifest::printable::{printable, printable_line};
use std::time::Duration;

/// The line that says that a source or pipeline ended, or what became of its result; none for other events.
pub(super) fn milestone(event: &Event, colour: Colour) -> Option<String> {
    Some(match event {
        Event::SourceFinished(source) => source_line(source, colour),
        Event::StageFinished(stage) if !stage.success => stage_line(stage, colour),
        Event::ShellStarted {
            pipeline,
            module,
            arguments,
            ..
        } => format!(
            "pipeline {}: a shell before {}, in its tree; its arguments are in {arguments}; `exit` goes on, `exit 1` ends the run",
            printable_line(pipeline),
            printable_line(module)
        ),
        Event::PipelineStarted {
            name,
            resumed: Some(id),
            ..
        } => format!(
            "pipeline {}: goes on from {id}, which is in the store",
            printable_line(name)
        ),
        Event::PipelineFinished {
            name, cached: true, ..
        } => format!(
            "pipeline {}: {}",
            printable_line(name),
            colour.good("cached")
        ),
        Event::PipelineFinished {
            name,
            success,
            duration,
            ..
        } => format!(
            "pipeline {}: {}",
            printable_line(name),
            ended(*success, *duration, colour)
        ),
        Event::Checkpoint { pipeline, id } => {
            format!(
                "pipeline {}: kept {id} in the store",
                printable_line(pipeline)
            )
        }
        Event::HostLog {
            pipeline,
            origin,
            text,
        } => format!(
            "pipeline {}: {}: {}",
            printable_line(pipeline),
            printable_line(origin),
            printable(text.trim_end())
        ),
        Event::Exported { name, path } => {
            let path = path.display().to_string();
            format!(
                "pipeline {}: exported to {}",
                printable_line(name),
                printable_line(&path)
            )
        }
        _ => return None,
    })
}

/// `pipeline os: org.osbuild.rpm ... done in 3.1 s`
pub(super) fn stage_line(stage: &StageOutcome, colour: Colour) -> String {
    let ended = ended(stage.success, stage.duration, colour);
    let pipeline = printable_line(&stage.pipeline);
    format!(
        "pipeline {pipeline}: {} ... {ended}",
        printable_line(&stage.module)
    )
}

/// `source org.osbuild.curl: 12 items (2 cached) ... done in 3.1 s`
fn source_line(source: &SourceOutcome, colour: Colour) -> String {
    let items = count(source.items.len(), "item");
    let cached = source
        .items
        .iter()
        .filter(|item| item.cached == Some(true))
        .count();
    let cached = match cached {
        0 => String::new(),
        some => format!(" ({some} cached)"),
    };
    let ended = ended(source.success, source.duration, colour);
    format!("source {}: {items}{cached} ... {ended}", source.module)
}

fn ended(success: bool, span: Duration, colour: Colour) -> String {
    match success {
        true => format!("{} in {}", colour.good("done"), duration(span)),
        false => format!("{} after {}", colour.bad("failed"), duration(span)),
    }
}

/// The first and the last line of a run.
pub(super) fn run_line(event: &Event, colour: Colour) -> Option<String> {
    Some(match event {
        Event::RunStarted {
            manifest,
            sources,
            pipelines,
        } => format!(
            "building {manifest}: {}, {}",
            count(*sources, "source"),
            count(pipelines.len(), "pipeline")
        ),
        Event::RunFinished { success, duration } => ended(*success, *duration, colour),
        _ => return None,
    })
}
