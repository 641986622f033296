//! Result documents: what `--json` prints when a run is over, in osbuild's shapes.
//!
//! [`osbuild_wasm_manifest::json::to_python`] writes them as osbuild does, in one line.

mod v1;
mod v2;

pub use v1::result_v1;
pub use v2::result_v2;

use crate::diagnostic::Diagnostic;
use crate::members::Members;
use crate::outcome::{failed_stage, outcome_of};
use crate::reasons;
use osbuild_wasm_events::{
    Failure, RunOutcome, SourceItem, SourceOutcome, StageError, StageOutcome,
};
use osbuild_wasm_manifest::json::Value;
use osbuild_wasm_manifest::model::{Manifest, Pipeline, Version};

/// `error.type` of a failure that is no stage's and no source's.
const HOST_ERROR: &str = "org.osbuild.error.host";

/// The result document in the format that belongs to the manifest's.
pub fn result(manifest: &Manifest, outcome: &RunOutcome) -> Value {
    match manifest.version {
        Version::V1 => result_v1(manifest, outcome),
        Version::V2 => result_v2(manifest, outcome),
    }
}

/// The document for errors before the build (an unknown export, a store that cannot be opened, ...): the shape of a failed run, with
/// `error.type` `org.osbuild.error.host` and in `error.details` the title and, for each error, `message`, `place`, `causes` and `hints`.
pub fn error_document(title: &str, errors: &[Diagnostic]) -> Value {
    let errors: Vec<Value> = errors.iter().map(diagnostic).collect();
    let details = Members::default()
        .with("title", title)
        .with("errors", errors);
    let error = Members::default()
        .with("type", HOST_ERROR)
        .with("details", details);
    Members::default()
        .with("type", "error")
        .with("success", false)
        .with("error", error)
        .into()
}

fn diagnostic(error: &Diagnostic) -> Value {
    let texts = |texts: &[String]| {
        let values: Vec<Value> = texts.iter().map(|text| text.as_str().into()).collect();
        Some(values).filter(|values| !values.is_empty())
    };
    Members::default()
        .with("message", error.message.as_str())
        .with_some("place", error.place.as_deref())
        .with_some("causes", texts(&error.causes))
        .with_some("hints", texts(&error.hints))
        .into()
}

/// The stages of a pipeline that ran now, the failed one included even when only the host failed for it.
fn ran_stages(manifest: &Manifest, outcome: &RunOutcome, pipeline: &Pipeline) -> Vec<StageOutcome> {
    let ran = outcome_of(outcome, pipeline);
    let mut stages = ran.map(|ran| ran.stages.clone()).unwrap_or_default();
    let here = |failed: &StageOutcome| pipeline.stages.iter().any(|stage| stage.id == failed.id);
    if let Some(failed) = failed_stage(manifest, outcome).filter(here) {
        stages.retain(|stage| stage.id != failed.id);
        stages.push(failed);
    }
    stages
}

/// The `error` member: why a run failed.
fn run_error(manifest: &Manifest, outcome: &RunOutcome) -> Value {
    let (kind, details) = match (&outcome.failure, failed_stage(manifest, outcome)) {
        (_, Some(stage)) => ("org.osbuild.error.stage", stage_details(&stage)),
        (Some(Failure::Source(source)), _) => ("org.osbuild.error.source", source_details(source)),
        (
            Some(Failure::Host {
                place,
                message,
                details,
            }),
            _,
        ) => (HOST_ERROR, host_details(place, message, details.as_deref())),
        _ => (HOST_ERROR, host_details("", "the run did not end", None)),
    };
    Members::default()
        .with("type", kind)
        .with("details", details)
        .into()
}

fn stage_details(stage: &StageOutcome) -> Members {
    let stage = Members::default()
        .with("id", stage.id.as_str())
        .with("type", stage.module.as_str())
        .with("output", stage.output.as_str())
        .with("error", stage.error.as_ref().map(stage_error));
    Members::default().with("stage", stage)
}

fn source_details(source: &SourceOutcome) -> Members {
    let source = Members::default()
        .with("type", source.module.as_str())
        .with("output", reasons::first(source));
    Members::default().with("source", source)
}

fn host_details(place: &str, message: &str, details: Option<&str>) -> Members {
    Members::default()
        .with("place", place)
        .with("message", message)
        .with("details", details)
}

/// The error of a stage as osbuild shows an exception: its kind stands for the class.
pub(crate) fn stage_error(error: &StageError) -> Value {
    let data = Members::default()
        .with("type", error.kind.as_str())
        .with("value", error.message.as_str())
        .with("traceback", error.details.as_deref().unwrap_or_default());
    Members::default()
        .with("type", "exception")
        .with("data", data)
        .into()
}

/// The `sources` member.
fn sources(outcome: &RunOutcome) -> Value {
    let success = outcome.sources.iter().all(|source| source.success)
        && !matches!(outcome.failure, Some(Failure::Source(_)));
    let mut all = outcome.sources.clone();
    if let Some(Failure::Source(failed)) = &outcome.failure
        && !all.iter().any(|source| source.id == failed.id)
    {
        all.push(failed.clone());
    }
    all.iter()
        .fold(
            Members::default().with("success", success),
            |members, source| {
                let items: Vec<Value> = source.items.iter().map(source_item).collect();
                members.with(&source.module, items)
            },
        )
        .into()
}

fn source_item(item: &SourceItem) -> Value {
    Members::default()
        .with_some("cached", item.cached)
        .with_some("checksum", item.checksum.as_deref())
        .with_some("error", reasons::error(item))
        .into()
}
