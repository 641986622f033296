//! One pipeline: from the newest object that is there to its finished tree.
use crate::attributes::Attributes;
use crate::failure::{BuildError, Result};
use crate::file_systems::FileSystems;
use crate::run::RunContext;
use crate::stage;
use crate::trees::Tree;
use osbuild_wasm_events::{Event, PipelineOutcome, StageOutcome};
use osbuild_wasm_files::{CopyOptions, clamp_times, copy_tree};
use osbuild_wasm_manifest::json::Object as Metadata;
use osbuild_wasm_manifest::model::Pipeline;
use osbuild_wasm_store::{CommitFrom, Details, Object, Scratch, refuse_losses};
use rustix::fd::BorrowedFd;
use serde_json::{Map, Value};
use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// A tree under construction.
struct UnfinishedTree {
    scratch: Scratch,
    tree: PathBuf,
    details: Details,
    /// Number of stages that are in it already.
    done: usize,
    resumed: Option<String>,
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
    let unfinished = begin(context, index, pipeline)?;
    announce(context, pipeline, unfinished.resumed.clone());
    let built = run_stages(context, index, unfinished, &mut outcome.stages)?;
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
        let attributes = Attributes::new(context);
        let set =
            |file: BorrowedFd<'_>, name: &OsStr, value: &[u8]| attributes.set(file, name, value);
        let options = CopyOptions {
            set_xattr: Some(&set),
            ..CopyOptions::default()
        };
        let report = copy_tree(object.tree(), &tree, options)?;
        refuse_losses(object.tree(), report)?;
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

/// The finished tree, or none when a stage failed.
fn run_stages(
    context: &RunContext<'_>,
    index: usize,
    mut unfinished: UnfinishedTree,
    outcomes: &mut Vec<StageOutcome>,
) -> Result<Option<Tree>> {
    let pipeline = &context.manifest().pipelines[index];
    let last = pipeline.stages.len().saturating_sub(1);
    let file_systems = FileSystems::new(unfinished.scratch.path().join("file-systems"));
    let file_systems = Arc::new(file_systems);
    let checkpoints = &context.settings.checkpoints;
    for (position, stage) in pipeline.stages.iter().enumerate().skip(unfinished.done) {
        if context.stop.load(Ordering::Relaxed) {
            return Ok(None);
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
            return Ok(None);
        }
        if position != last && checkpoints.contains(&stage.id) {
            clamp(pipeline, &unfinished)?;
            let attributes = Attributes::new(context);
            let set = |file: BorrowedFd<'_>, name: &OsStr, value: &[u8]| {
                attributes.set(file, name, value)
            };
            let options = CopyOptions {
                set_xattr: Some(&set),
                ..CopyOptions::default()
            };
            let from = CommitFrom::Copy(&unfinished.tree, options);
            let details = unfinished.details.clone();
            commit(context, (index, position), from, details)?;
        }
    }
    clamp(pipeline, &unfinished)?;
    let UnfinishedTree {
        scratch,
        tree,
        details,
        ..
    } = unfinished;
    let ends_in_checkpoint = pipeline
        .id
        .as_ref()
        .is_some_and(|id| checkpoints.contains(id));
    if ends_in_checkpoint {
        let object = commit(context, (index, last), CommitFrom::Move(tree), details)?;
        return Ok(Some(Tree::Stored(object)));
    }
    Ok(Some(Tree::Floating {
        _scratch: scratch,
        path: tree,
        metadata: details.metadata,
    }))
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
