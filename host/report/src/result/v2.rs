//! The result of a v2 manifest.

use super::{ran_stages, run_error, sources, stage_error};
use crate::members::Members;
use crate::outcome::outcome_of;
use osbuild_wasm_events::{RunOutcome, StageOutcome};
use osbuild_wasm_manifest::json::{Object, Text, Value};
use osbuild_wasm_manifest::model::Manifest;

/// The result document of a v2 manifest.
///
/// Pipelines that are the same by id all show the log and metadata of the one that ran.
pub fn result_v2(manifest: &Manifest, outcome: &RunOutcome) -> Value {
    let kind = if outcome.success { "result" } else { "error" };
    let head = Members::default()
        .with("type", kind)
        .with("success", outcome.success);
    let head = if outcome.success {
        head.with("metadata", metadata(manifest, outcome))
    } else {
        head.with("error", run_error(manifest, outcome))
    };
    head.with("sources", sources(outcome))
        .with("log", log(manifest, outcome))
        .into()
}

/// Pipeline -> stage type -> metadata; pipelines without any are left out.
fn metadata(manifest: &Manifest, outcome: &RunOutcome) -> Object {
    let of_pipeline = |pipeline| {
        let metadata = &outcome_of(outcome, pipeline)?.metadata;
        let name = Text::from(pipeline.name.as_str());
        (!metadata.is_empty()).then(|| (name, metadata.clone().into()))
    };
    manifest.pipelines.iter().filter_map(of_pipeline).collect()
}

/// Pipeline -> its stages that ran now; pipelines without any are left out.
fn log(manifest: &Manifest, outcome: &RunOutcome) -> Object {
    let of_pipeline = |pipeline| {
        let stages = ran_stages(manifest, outcome, pipeline);
        let entries: Vec<Value> = stages.iter().map(log_entry).collect();
        let name = Text::from(pipeline.name.as_str());
        (!entries.is_empty()).then(|| (name, entries.into()))
    };
    manifest.pipelines.iter().filter_map(of_pipeline).collect()
}

fn log_entry(stage: &StageOutcome) -> Value {
    Members::default()
        .with("id", stage.id.as_str())
        .with("type", stage.module.as_str())
        .with("output", stage.output.as_str())
        .with_some("success", (!stage.success).then_some(false))
        .with_some("error", stage.error.as_ref().map(stage_error))
        .into()
}
