//! One pipeline: from the newest object that is there to its finished tree.
use crate::attributes::Attributes;
use crate::failure::{BuildError, Result};
use crate::file_systems::FileSystems;
use crate::run::RunContext;
use crate::trees::Tree;
use crate::{stage, vm};
use osbuild_wasm_events::{Event, PipelineOutcome, StageOutcome};
use osbuild_wasm_files::{CopyOptions, CopyReport, FilesError, clamp_times, copy_tree};
use osbuild_wasm_manifest::json::Object as Metadata;
use osbuild_wasm_manifest::model::Pipeline;
use osbuild_wasm_protocol::TrustedValue;
use osbuild_wasm_store::{CommitFrom, Details, Object, Scratch, refuse_losses};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// A tree under construction.
pub(crate) struct UnfinishedTree {
    pub(crate) scratch: Scratch,
    pub(crate) tree: PathBuf,
    pub(crate) details: Details,
    /// Number of stages that are in it already.
    pub(crate) done: usize,
    pub(crate) resumed: Option<String>,
}

/// Builds one pipeline; its tree is in `trees` afterwards if all stages succeeded.
pub(crate) fn build(context: &RunContext<'_>, index: usize) -> Result<PipelineOutcome> {
    let started = Instant::now();
    let Some(pipeline) = context.manifest().pipelines.get(index) else {
        return Err(BuildError::manifest("schedule", "no such pipeline"));
    };
    let mut outcome = PipelineOutcome {
        name: pipeline.name.clone(),
        id: pipeline.id.clone(),
        cached: false,
        stages: Vec::new(),
        metadata: Metadata::default(),
    };
    let finished = |success: bool, cached: bool| Event::PipelineFinished {
        name: pipeline.name.clone(),
        id: pipeline.id.clone(),
        success,
        duration: started.elapsed(),
        cached,
    };
    if context.trees.known(pipeline) {
        announce(context, pipeline, None);
        context.tell(&finished(true, true));
        outcome.cached = true;
        return Ok(outcome);
    }
    let mut unfinished = begin(context, index, pipeline)?;
    announce(context, pipeline, unfinished.resumed.clone());
    let keep = |position, unfinished: &UnfinishedTree| keep(context, (index, position), unfinished);
    let stages = &mut outcome.stages;
    let machines = context.settings.virtual_machines.as_ref();
    let built = match machines.filter(|machines| machines.has(&pipeline.name)) {
        Some(machines) => vm::run_stages(context, machines, index, &mut unfinished, stages, &keep)?,
        None => run_stages(context, index, &mut unfinished, stages, &keep)?,
    };
    let built = match built {
        true => Some(finish(context, index, unfinished)?),
        false => None,
    };
    context.tell(&finished(built.is_some(), false));
    if let (Some(tree), Some(id)) = (built, pipeline.id.as_deref()) {
        context.trees.insert(id, tree);
    }
    Ok(outcome)
}

fn announce(context: &RunContext<'_>, pipeline: &Pipeline, resumed: Option<String>) {
    context.tell(&Event::PipelineStarted {
        name: pipeline.name.clone(),
        id: pipeline.id.clone(),
        build: pipeline.build.clone(),
        runner: Some(pipeline.runner.clone()),
        source_epoch: pipeline.source_epoch,
        stages: pipeline.stages.len(),
        resumed,
    });
}

/// An empty tree, or a copy of the newest object of the pipeline.
fn begin(context: &RunContext<'_>, index: usize, pipeline: &Pipeline) -> Result<UnfinishedTree> {
    let scratch = context.store.scratch("pipeline")?;
    let tree = scratch.path().join("tree");
    for (position, stage) in pipeline.stages.iter().enumerate().rev() {
        if !context.settings.can_begin_behind(pipeline, position) {
            continue;
        }
        let key = context.plan.key(index, position);
        let Some(object) = context.store.get(&stage.id, key)? else {
            continue;
        };
        let trusted = Attributes::new(context).trusted(object.tree())?;
        copy_into_store(context, (object.tree(), &trusted), &tree)?;
        let details = Details {
            created: object.created(),
            metadata: object.metadata().clone(),
        };
        return Ok(UnfinishedTree {
            scratch,
            tree,
            details,
            done: position + 1,
            resumed: Some(stage.id.clone()),
        });
    }
    std::fs::create_dir(&tree).map_err(BuildError::io(&tree))?;
    let created = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| i64::try_from(time.as_secs()).unwrap_or(0));
    let details = Details {
        created,
        metadata: Value::Object(Map::new()),
    };
    Ok(UnfinishedTree {
        scratch,
        tree,
        details,
        done: 0,
        resumed: None,
    })
}

/// Copies a tree into the store with all that it has, also what it has in `trusted.*`.
pub(crate) fn copy_into_store(
    context: &RunContext<'_>,
    (from, trusted): (&Path, &[TrustedValue]),
    to: &Path,
) -> Result<()> {
    with_all_attributes(context, (from, to), trusted, |options| {
        copy_tree(from, to, options)
    })
}

/// Has the tree `to` made with attributes of all classes; `named` is the tree that a loss is told of.
pub(crate) fn with_all_attributes(
    context: &RunContext<'_>,
    (named, to): (&Path, &Path),
    trusted: &[TrustedValue],
    make: impl FnOnce(CopyOptions<'_>) -> std::result::Result<CopyReport, FilesError>,
) -> Result<()> {
    let attributes = Attributes::new(context);
    refuse_losses(named, attributes.copying(make)?)?;
    attributes.give(to, trusted)
}

/// Keeps the tree after a stage in the middle.
fn keep(
    context: &RunContext<'_>,
    place: (usize, usize),
    unfinished: &UnfinishedTree,
) -> Result<()> {
    let attributes = Attributes::new(context);
    let complete = |copy: &Path| {
        let carried = attributes.carry(&unfinished.tree, copy);
        carried.map_err(|error| std::io::Error::other(error.to_string()))
    };
    attributes.copying(|options| {
        let from = CommitFrom::Copy(&unfinished.tree, options, &complete);
        commit(context, place, from, unfinished.details.clone()).map(drop)
    })
}

/// Runs the stages of a pipeline on its tree; false when one failed. `keep` is called with the tree after those whose result is to be
/// kept, but not after the last.
pub(crate) fn run_stages(
    context: &RunContext<'_>,
    index: usize,
    unfinished: &mut UnfinishedTree,
    outcomes: &mut Vec<StageOutcome>,
    keep: &dyn Fn(usize, &UnfinishedTree) -> Result<()>,
) -> Result<bool> {
    let pipeline = &context.manifest().pipelines[index];
    let last = pipeline.stages.len().saturating_sub(1);
    let file_systems = FileSystems::new(unfinished.scratch.path().join("file-systems"));
    let file_systems = Arc::new(file_systems);
    let checkpoints = &context.settings.checkpoints;
    for (position, stage) in pipeline.stages.iter().enumerate().skip(unfinished.done) {
        if context.stop.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let outcome = stage::run(
            context,
            (index, position),
            (&unfinished.tree, &file_systems),
        );
        let success = outcome.success;
        if let Some(metadata) = &outcome.metadata {
            unfinished.details.metadata[stage.id.as_str()] = metadata.into();
        }
        outcomes.push(outcome);
        if !success {
            return Ok(false);
        }
        if position != last && checkpoints.contains(&stage.id) {
            clamp(pipeline, unfinished)?;
            keep(position, unfinished)?;
        }
    }
    clamp(pipeline, unfinished)?;
    Ok(true)
}

/// The tree that all stages have made: in the store, or for this run only.
fn finish(context: &RunContext<'_>, index: usize, unfinished: UnfinishedTree) -> Result<Tree> {
    let pipeline = &context.manifest().pipelines[index];
    let UnfinishedTree {
        scratch,
        tree,
        details,
        ..
    } = unfinished;
    let checkpoints = &context.settings.checkpoints;
    let ends_in_checkpoint = pipeline
        .id
        .as_ref()
        .is_some_and(|id| checkpoints.contains(id));
    if ends_in_checkpoint {
        let last = pipeline.stages.len().saturating_sub(1);
        let object = commit(context, (index, last), CommitFrom::Move(tree), details)?;
        return Ok(Tree::Stored(object));
    }
    Ok(Tree::Floating {
        _scratch: scratch,
        path: tree,
        metadata: details.metadata,
    })
}

/// With a source epoch, everything changed since the build began carries that time.
fn clamp(pipeline: &Pipeline, unfinished: &UnfinishedTree) -> Result<()> {
    match pipeline.source_epoch {
        Some(epoch) => Ok(clamp_times(
            &unfinished.tree,
            unfinished.details.created,
            epoch,
        )?),
        None => Ok(()),
    }
}

fn commit(
    context: &RunContext<'_>,
    (index, position): (usize, usize),
    from: CommitFrom<'_>,
    details: Details,
) -> Result<Object> {
    let pipeline = &context.manifest().pipelines[index];
    let id = &pipeline.stages[position].id;
    let key = context.plan.key(index, position);
    let object = context.store.commit(id, key, from, details)?;
    context.tell(&Event::Checkpoint {
        pipeline: pipeline.name.clone(),
        id: id.clone(),
    });
    Ok(object)
}
