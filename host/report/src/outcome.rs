//! Where in a manifest something happened.

use osbuild_wasm_events::{Failure, PipelineOutcome, RunOutcome, StageError, StageOutcome};
use osbuild_wasm_manifest::model::{Manifest, Pipeline, StageClass, Version};
use osbuild_wasm_manifest::problem::{Path, render_path};

/// The stage that made the run fail: one that failed itself, or one for which the host could not do something.
pub(crate) fn failed_stage(manifest: &Manifest, outcome: &RunOutcome) -> Option<StageOutcome> {
    match outcome.failure.as_ref()? {
        Failure::Stage(stage) => Some(stage.clone()),
        Failure::Source(_) => None,
        Failure::Host {
            place,
            message,
            details,
        } => {
            let (pipeline, stage) = find(manifest, outcome, place)?;
            let pipeline = manifest.pipelines.get(pipeline)?;
            let stage = pipeline.stages.get(stage)?;
            let details_text = details
                .as_ref()
                .map(|text| format!("{}\n", text.trim_end()));
            let told = stage_output(outcome, &stage.id);
            Some(StageOutcome {
                pipeline: pipeline.name.clone(),
                module: stage.requested_module().to_owned(),
                id: stage.id.clone(),
                success: false,
                // Programs that show nothing but the output of a stage still show the reason.
                output: format!("{told}{message}\n{}", details_text.unwrap_or_default()),
                error: Some(StageError {
                    kind: "host".to_owned(),
                    message: message.clone(),
                    details: details.clone(),
                }),
                metadata: None,
                duration: Default::default(),
            })
        }
    }
}

/// What a failed stage itself had printed, with a line end.
pub(crate) fn stage_output(outcome: &RunOutcome, id: &str) -> String {
    let mut stages = outcome
        .pipelines
        .iter()
        .flat_map(|pipeline| &pipeline.stages);
    match stages.find(|stage| stage.id == id && !stage.success) {
        Some(stage) if stage.output.is_empty() || stage.output.ends_with('\n') => {
            stage.output.clone()
        }
        Some(stage) => format!("{}\n", stage.output),
        None => String::new(),
    }
}

/// The indices of pipeline and stage that a place `PIPELINE/STAGE` names; STAGE is a module or an id, more may follow after a `/`.
///
/// Of several stages with the module the first one is meant that has not run yet.
fn find(manifest: &Manifest, outcome: &RunOutcome, place: &str) -> Option<(usize, usize)> {
    let within = |pipeline: &Pipeline| place.strip_prefix(&pipeline.name)?.strip_prefix('/');
    let mut candidates = manifest.pipelines.iter().enumerate();
    let (index, name) =
        candidates.find_map(|(index, pipeline)| Some((index, within(pipeline)?)))?;
    let name = name.split('/').next().unwrap_or(name);
    let pipeline = manifest.pipelines.get(index)?;
    let first_open = outcome_of(outcome, pipeline)
        .and_then(|ran| ran.stages.iter().rfind(|stage| stage.success))
        .and_then(|last| stage_index(pipeline, &last.id))
        .map_or(0, |last| last + 1);
    let stages = pipeline.stages.iter().enumerate();
    let stage = stages
        .filter(|(_, stage)| {
            stage.id == name || stage.module == name || stage.requested_module() == name
        })
        .max_by_key(|(at, _)| (*at >= first_open, std::cmp::Reverse(*at)))?;
    Some((index, stage.0))
}

/// The outcome of a pipeline: of the one with its name, else of one that is the same by id.
pub(crate) fn outcome_of<'a>(
    outcome: &'a RunOutcome,
    pipeline: &Pipeline,
) -> Option<&'a PipelineOutcome> {
    let by_name = outcome
        .pipelines
        .iter()
        .find(|ran| ran.name == pipeline.name);
    by_name.or_else(|| {
        let same = |ran: &&PipelineOutcome| ran.id.is_some() && ran.id == pipeline.id;
        outcome.pipelines.iter().find(same)
    })
}

fn stage_index(pipeline: &Pipeline, id: &str) -> Option<usize> {
    pipeline.stages.iter().position(|stage| stage.id == id)
}

/// The JSON path of a stage in the document, e.g. `.pipelines[1].stages[2]`.
pub(crate) fn stage_path(manifest: &Manifest, pipeline: &str, id: &str) -> Option<String> {
    let index = manifest.find(pipeline)?;
    let stage = stage_index(manifest.pipelines.get(index)?, id)?;
    let mut path = pipeline_path(manifest, index);
    if manifest.version == Version::V1 && is_assembler(manifest.pipelines.get(index)?) {
        path.push("assembler".into());
    } else {
        path.extend(["stages".into(), stage.into()]);
    }
    Some(render_path(&path))
}

/// The path of a pipeline in the document.
fn pipeline_path(manifest: &Manifest, index: usize) -> Path {
    if manifest.version == Version::V2 {
        return vec!["pipelines".into(), index.into()];
    }
    // Build pipelines come before the one they serve, the deepest first; the assembler belongs to the outermost.
    let trees = manifest
        .pipelines
        .iter()
        .filter(|pipeline| !is_assembler(pipeline))
        .count();
    let depth = trees.saturating_sub(index + 1);
    let mut path: Path = vec!["pipeline".into()];
    for _ in 0..depth {
        path.extend(["build".into(), "pipeline".into()]);
    }
    path
}

/// Is this the pipeline that stands for the assembler of a v1 document?
pub(crate) fn is_assembler(pipeline: &Pipeline) -> bool {
    let mut stages = pipeline.stages.iter();
    stages.any(|stage| stage.class == StageClass::Assembler)
}
