//! The result of a v1 manifest.

use super::{ran_stages, run_error, sources, stage_error};
use crate::members::Members;
use crate::outcome::{is_assembler, outcome_of};
use osbuild_wasm_events::{Failure, RunOutcome, StageOutcome};
use osbuild_wasm_manifest::json::Value;
use osbuild_wasm_manifest::model::{Manifest, Pipeline};

/// The result document of a v1 manifest: a pipeline with its build pipeline inside, and so on.
///
/// `success` of each level tells about this level and what is inside. When it was no stage that failed, the outermost level also has
/// `error` (as in the v2 document) and, for a source, `sources`.
pub fn result_v1(manifest: &Manifest, outcome: &RunOutcome) -> Value {
    let (assemblers, trees): (Vec<&Pipeline>, Vec<&Pipeline>) = manifest
        .pipelines
        .iter()
        .partition(|pipeline| is_assembler(pipeline));
    // Build pipelines come before the one they serve, so that the last one is the outermost.
    let (outermost, builds) = match trees.split_last() {
        Some((outermost, builds)) => (Some(*outermost), builds),
        None => (None, trees.as_slice()),
    };
    let build = builds.iter().fold(None, |inner, pipeline| {
        Level::of(manifest, outcome, pipeline, inner)
    });
    let mut level = Level::default();
    if let Some(pipeline) = outermost {
        level = Level::of(manifest, outcome, pipeline, build).unwrap_or_default();
    }
    let assembler = assemblers
        .first()
        .and_then(|pipeline| ran_stages(manifest, outcome, pipeline).pop());
    let failure = outcome.failure.as_ref();
    level.success = outcome.success;
    level
        .members()
        .with_some("assembler", assembler.as_ref().map(stage))
        .with_some(
            "error",
            failure
                .filter(|failure| !matches!(failure, Failure::Stage(_)))
                .map(|_| run_error(manifest, outcome)),
        )
        .with_some(
            "sources",
            failure
                .filter(|failure| matches!(failure, Failure::Source(_)))
                .map(|_| sources(outcome)),
        )
        .into()
}

/// One pipeline with its build pipeline.
#[derive(Default)]
struct Level {
    success: bool,
    build: Option<Box<Level>>,
    stages: Vec<StageOutcome>,
}

impl Level {
    /// `None` when neither the pipeline nor its build pipeline was reached.
    fn of(
        manifest: &Manifest,
        outcome: &RunOutcome,
        pipeline: &Pipeline,
        inner: Option<Level>,
    ) -> Option<Level> {
        let stages = ran_stages(manifest, outcome, pipeline);
        let reached = outcome_of(outcome, pipeline).is_some() || !stages.is_empty();
        if !reached && inner.is_none() {
            return None;
        }
        let build = inner.filter(|_| pipeline.build.is_some());
        let build_succeeded = build.as_ref().is_none_or(|build| build.success);
        let own = stages.iter().all(|stage| stage.success) && !host_failed_in(outcome, pipeline);
        Some(Level {
            success: own && build_succeeded,
            build: build.map(Box::new),
            stages,
        })
    }

    fn members(&self) -> Members {
        let stages: Vec<Value> = self.stages.iter().map(stage).collect();
        Members::default()
            .with("success", self.success)
            .with_some("build", self.build.as_ref().map(|build| build.members()))
            .with_some("stages", Some(stages).filter(|stages| !stages.is_empty()))
    }
}

fn host_failed_in(outcome: &RunOutcome, pipeline: &Pipeline) -> bool {
    match &outcome.failure {
        Some(Failure::Host { place, .. }) => {
            place.split('/').next() == Some(pipeline.name.as_str())
        }
        _ => false,
    }
}

fn stage(stage: &StageOutcome) -> Value {
    Members::default()
        .with("id", stage.id.as_str())
        .with("type", stage.module.as_str())
        .with("success", stage.success)
        .with("error", stage.error.as_ref().map(stage_error))
        .with("output", stage.output.as_str())
        .with("metadata", stage.metadata.clone())
        .into()
}
