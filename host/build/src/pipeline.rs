//! One pipeline: from the newest object that is there to its finished tree.
use crate::failure::{BuildError, Result};
use crate::file_systems::FileSystems;
use crate::key::private_key;
use crate::run::Settings;
use crate::stage;
use crate::trees::{Tree, Trees};
use osbuild_wasm_files::{CopyOptions, clamp_times, copy_tree};
use osbuild_wasm_manifest::model::{Manifest, Pipeline};
use osbuild_wasm_manifest::run::{Event, PipelineOutcome, StageOutcome};
use osbuild_wasm_store::{CommitFrom, Details, Object, Scratch, Store};
use serde_json::{Map, Value};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// What all pipelines of a run share.
#[derive(Clone, Copy)]
pub(crate) struct Site<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) store: &'a Store,
    pub(crate) manifest: &'a Manifest,
    pub(crate) trees: &'a Trees,
    /// Another pipeline failed: begin no further stage.
    pub(crate) stop: &'a AtomicBool,
}

/// A tree under construction.
struct Draft {
    scratch: Scratch,
    tree: PathBuf,
    details: Details,
    /// Number of stages that are in it already.
    done: usize,
    resumed: Option<String>,
}

/// Builds one pipeline; its tree is in `trees` afterwards if all stages succeeded.
pub(crate) fn build(site: &Site<'_>, index: usize) -> Result<PipelineOutcome> {
    let Site {
        settings,
        store,
        manifest,
        trees,
        ..
    } = *site;
    let started = Instant::now();
    let Some(pipeline) = manifest.pipelines.get(index) else {
        return Err(BuildError::manifest("schedule", "no such pipeline"));
    };
    let mut outcome = PipelineOutcome {
        name: pipeline.name.clone(),
        id: pipeline.id.clone(),
        cached: false,
        stages: Vec::new(),
        metadata: osbuild_wasm_manifest::json::Object::default(),
    };
    let finished = |success: bool, cached: bool| Event::PipelineFinished {
        name: pipeline.name.clone(),
        id: pipeline.id.clone(),
        success,
        duration: started.elapsed(),
        cached,
    };
    if trees.known(pipeline) {
        announce(settings, pipeline, None);
        settings.observer.event(&finished(true, true));
        outcome.cached = true;
        return Ok(outcome);
    }
    let draft = begin(settings, store, manifest, index, pipeline)?;
    announce(settings, pipeline, draft.resumed.clone());
    let built = run_stages(site, index, draft, &mut outcome.stages)?;
    settings.observer.event(&finished(built.is_some(), false));
    if let (Some(tree), Some(id)) = (built, pipeline.id.as_deref()) {
        trees.insert(id, tree);
    }
    Ok(outcome)
}

fn announce(settings: &Settings, pipeline: &Pipeline, resumed: Option<String>) {
    settings.observer.event(&Event::PipelineStarted {
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
fn begin(
    settings: &Settings,
    store: &Store,
    manifest: &Manifest,
    index: usize,
    pipeline: &Pipeline,
) -> Result<Draft> {
    let scratch = store.scratch("pipeline")?;
    let tree = scratch.path().join("tree");
    for (position, stage) in pipeline.stages.iter().enumerate().rev() {
        if !settings.can_begin_behind(pipeline, position) {
            continue;
        }
        let Some(object) =
            store.get(&stage.id, &private_key(settings, manifest, index, position))?
        else {
            continue;
        };
        copy_tree(object.tree(), &tree, CopyOptions::default())?;
        let details = Details {
            created: object.created(),
            metadata: object.metadata().clone(),
        };
        return Ok(Draft {
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
    Ok(Draft {
        scratch,
        tree,
        details,
        done: 0,
        resumed: None,
    })
}

/// The finished tree, or none when a stage failed.
fn run_stages(
    site: &Site<'_>,
    index: usize,
    mut draft: Draft,
    outcomes: &mut Vec<StageOutcome>,
) -> Result<Option<Tree>> {
    let Site {
        settings,
        store,
        manifest,
        trees,
        stop,
    } = *site;
    let pipeline = &manifest.pipelines[index];
    let last = pipeline.stages.len().saturating_sub(1);
    let file_systems = FileSystems::new(draft.scratch.path().join("file-systems"));
    let file_systems = Arc::new(file_systems);
    for (position, stage) in pipeline.stages.iter().enumerate().skip(draft.done) {
        if stop.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let place = (&*draft.tree, &file_systems);
        let outcome = stage::run(settings, store, trees, pipeline, stage, place);
        let success = outcome.success;
        if let Some(metadata) = &outcome.metadata {
            draft.details.metadata[stage.id.as_str()] = metadata.into();
        }
        outcomes.push(outcome);
        if !success {
            return Ok(None);
        }
        let keep = settings.checkpoints.contains(&stage.id);
        if keep && position != last {
            clamp(pipeline, &draft)?;
            let from = CommitFrom::Copy(&draft.tree, CopyOptions::default());
            commit(
                settings,
                store,
                manifest,
                index,
                position,
                from,
                draft.details.clone(),
            )?;
        }
    }
    clamp(pipeline, &draft)?;
    let Some(stage) = pipeline
        .stages
        .last()
        .filter(|stage| settings.checkpoints.contains(&stage.id))
    else {
        let Draft {
            scratch,
            tree,
            details,
            ..
        } = draft;
        return Ok(Some(Tree::Floating {
            _scratch: scratch,
            path: tree,
            metadata: details.metadata,
        }));
    };
    _ = stage;
    let object = commit(
        settings,
        store,
        manifest,
        index,
        last,
        CommitFrom::Move(draft.tree),
        draft.details,
    )?;
    Ok(Some(Tree::Stored(object)))
}

/// With a source epoch, everything changed since the build began carries that time.
fn clamp(pipeline: &Pipeline, draft: &Draft) -> Result<()> {
    match pipeline.source_epoch {
        Some(epoch) => Ok(clamp_times(&draft.tree, draft.details.created, epoch)?),
        None => Ok(()),
    }
}

fn commit(
    settings: &Settings,
    store: &Store,
    manifest: &Manifest,
    index: usize,
    position: usize,
    from: CommitFrom<'_>,
    details: Details,
) -> Result<Object> {
    let pipeline = &manifest.pipelines[index];
    let id = &pipeline.stages[position].id;
    let object = store.commit(
        id,
        &private_key(settings, manifest, index, position),
        from,
        details,
    )?;
    settings.observer.event(&Event::Checkpoint {
        pipeline: pipeline.name.clone(),
        id: id.clone(),
    });
    Ok(object)
}
