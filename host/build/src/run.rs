//! A whole run: sources, the pipelines that the exports need, exports.
use crate::export::{export_all, targets};
use crate::failure::{BuildError, Result};
use crate::helpers::{Cuts, HelperProcesses};
use crate::isolation::Isolation;
use crate::jobs;
use crate::key::{kind_of, private_key};
use crate::pipeline::{self, Site};
use crate::record::Records;
use crate::trees::{Tree, Trees};
use crate::without_devices::{Devices, can_begin_behind};
use osbuild_wasm_capability::{Interface as Named, Policy};
use osbuild_wasm_component::{Cancel, Engine, Kind, Module, Registry};
use osbuild_wasm_manifest::json::Value;
use osbuild_wasm_manifest::model::{Manifest, Origin, Pipeline, Source, Stage, schedule};
use osbuild_wasm_manifest::run::{
    Event, Failure, Observer, PipelineOutcome, RunOutcome, SourceOutcome, StageOutcome,
};
use osbuild_wasm_source::{Environment, FetchContext};
use osbuild_wasm_store::Store;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Everything that stays the same during a run.
pub struct Settings {
    /// Components by name.
    pub registry: Arc<Registry>,
    /// Runs them.
    pub engine: Engine,
    /// Helper processes, started before privileges were given up.
    pub helpers: Arc<HelperProcesses>,
    /// Told what happens.
    pub observer: Arc<dyn Observer>,
    /// Pipelines built at the same time, at least 1.
    pub jobs: usize,
    /// Time limit of each stage.
    pub stage_timeout: Option<Duration>,
    /// Ids of the stages whose result is kept in the store.
    pub checkpoints: BTreeSet<String>,
    /// Name or id of the stages before which the user gets a shell, `*` for all; needs the helper for `command`.
    pub break_at: Option<String>,
    /// Where sockets are made; none: in each stage's scratch directory.
    pub rundir: Option<PathBuf>,
    /// How disks come to be.
    pub devices: Devices,
    /// What stages may do; none: what they ask for.
    pub policy: Option<Policy>,
    /// Ends everything early.
    pub interrupt: Interrupt,
    /// Collects what each stage does, if somebody wants to know.
    pub records: Option<Arc<Records>>,
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("checkpoints", &self.checkpoints)
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// The component of a module, or an error that suggests a near name.
    pub(crate) fn component(&self, kind: Kind, name: &str) -> Result<Arc<Module>> {
        let missing = || BuildError::no_component(kind, name);
        Ok(self.registry.get(kind, name).ok_or_else(missing)??)
    }

    /// Whether a build of the pipeline can begin with what this stage left in the store.
    pub(crate) fn can_begin_behind(&self, pipeline: &Pipeline, position: usize) -> bool {
        self.devices == Devices::Loop || can_begin_behind(&pipeline.stages, position)
    }

    /// Whether the stage's component wants to mount something itself.
    pub(crate) fn mounts_itself(&self, stage: &Stage) -> bool {
        let module = self
            .registry
            .get(kind_of(stage), &stage.module)
            .and_then(|module| module.ok());
        module.is_some_and(|module| module.request.interfaces.contains(&Named::Mount))
    }
}

/// Ends a run at once: components at their next instruction, tools by a signal.
#[derive(Debug, Clone, Default)]
pub struct Interrupt {
    pub(crate) cancel: Cancel,
    pub(crate) cuts: Cuts,
    watched: Arc<Mutex<Vec<Cuts>>>,
}

impl Interrupt {
    /// Ends everything.
    pub fn fire(&self) {
        self.cancel.cancel();
        self.cuts.fire();
        for cuts in self
            .watched
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
        {
            cuts.fire();
        }
    }

    /// Whether [`Interrupt::fire`] was called.
    pub fn fired(&self) -> bool {
        self.cancel.is_cancelled()
    }

    /// Ends these too, for as long as the returned guard lives.
    pub(crate) fn watch(&self, cuts: Cuts) -> impl Drop + use<> {
        struct Guard(Arc<Mutex<Vec<Cuts>>>, Cuts);
        impl Drop for Guard {
            fn drop(&mut self) {
                let mut watched = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                watched.retain(|other| !other.is(&self.1));
            }
        }
        self.watched
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(cuts.clone());
        Guard(self.watched.clone(), cuts)
    }
}

/// What a run is asked for.
#[derive(Debug)]
pub struct Request<'a> {
    /// The manifest.
    pub manifest: &'a Manifest,
    /// How messages name it.
    pub name: String,
    /// What to export.
    pub exports: Vec<Export>,
    /// What to tell about the exports.
    pub account: Account,
}

impl Request<'_> {
    /// The pipelines (as indices) that are built where the store has nothing of them.
    pub fn pipelines(&self) -> Vec<usize> {
        let targets = targets(self);
        let targets: Vec<_> = targets.iter().map(String::as_str).collect();
        schedule(self.manifest, &targets, &|_| false)
    }
}

/// What a run tells about its exports beside making them: for statements of provenance and lists of materials.
#[derive(Debug, Clone, Copy, Default)]
pub struct Account {
    /// Digests, as [`Event::Digested`].
    pub digests: bool,
    /// Packages in the trees that the exports are made of, as [`Event::Installed`]. Such a tree is built for it when the store lacks it.
    pub packages: bool,
}

/// A pipeline whose tree goes out of the store.
#[derive(Debug, Clone)]
pub struct Export {
    /// The pipeline, by name or id as given.
    pub name: String,
    /// The directory that becomes the tree, or that the tree is merged into.
    pub path: PathBuf,
}

/// Carries a request out. An error means that the run could not even begin; everything later is in the outcome.
pub fn run(
    settings: &Settings,
    store: &Store,
    isolation: &Isolation,
    request: &Request<'_>,
) -> Result<RunOutcome> {
    let started = Instant::now();
    let manifest = request.manifest;
    let trees = Trees::new(store.scratch("runners")?);
    let targets = targets(request);
    load_stored(settings, store, manifest, &trees)?;
    let known = |id: &str| {
        let at = manifest
            .pipelines
            .iter()
            .enumerate()
            .find_map(|(index, pipeline)| {
                Some((
                    index,
                    pipeline.stages.iter().position(|stage| stage.id == id)?,
                ))
            });
        at.is_some_and(|(index, position)| {
            settings.can_begin_behind(&manifest.pipelines[index], position)
                && store
                    .contains(id, &private_key(settings, manifest, index, position))
                    .unwrap_or(false)
        })
    };
    let order = schedule(
        manifest,
        &targets.iter().map(String::as_str).collect::<Vec<_>>(),
        &known,
    );
    settings.observer.event(&Event::RunStarted {
        manifest: request.name.clone(),
        sources: manifest.sources.len(),
        pipelines: order
            .iter()
            .map(|index| manifest.pipelines[*index].name.clone())
            .collect(),
    });
    announce_stored(settings, manifest, &order, &targets, &trees);
    let mut outcome = RunOutcome {
        success: true,
        sources: fetch(settings, store, manifest),
        pipelines: Vec::new(),
        failure: None,
    };
    if let Some(failed) = outcome.sources.iter().find(|source| !source.success) {
        outcome.failure = Some(Failure::Source(failed.clone()));
    } else if let Err(error) = build_all(settings, store, manifest, &order, &trees, &mut outcome)
        .and_then(|()| match outcome.failure {
            Some(_) => Ok(()),
            None => export_all(settings, isolation, store, request, &trees),
        })
    {
        let kind = if matches!(error, BuildError::Interrupted) {
            "interrupted"
        } else {
            "run"
        };
        outcome.failure = Some(Failure::Host {
            place: kind.into(),
            message: error.to_string(),
            details: None,
        });
    }
    outcome.success = outcome.failure.is_none();
    add_metadata(manifest, &trees, &mut outcome);
    settings.observer.event(&Event::RunFinished {
        success: outcome.success,
        duration: started.elapsed(),
    });
    Ok(outcome)
}

/// Says which of the pipelines that are wanted, or that something wanted needs, the store has already.
fn announce_stored(
    settings: &Settings,
    manifest: &Manifest,
    order: &[usize],
    targets: &[String],
    trees: &Trees,
) {
    let needed: Vec<_> = order
        .iter()
        .flat_map(|index| needed_by(&manifest.pipelines[*index]))
        .collect();
    for pipeline in &manifest.pipelines {
        let wanted = |id: &String| targets.contains(id) || needed.contains(&id.as_str());
        if let Some(id) = pipeline
            .id
            .as_ref()
            .filter(|id| wanted(id) && trees.known(pipeline))
        {
            settings.observer.event(&Event::PipelineFinished {
                name: pipeline.name.clone(),
                id: Some(id.clone()),
                success: true,
                duration: Duration::ZERO,
                cached: true,
            });
        }
    }
}

/// Holds every finished pipeline of the manifest that the store has, so that no other run evicts it meanwhile.
fn load_stored(
    settings: &Settings,
    store: &Store,
    manifest: &Manifest,
    trees: &Trees,
) -> Result<()> {
    for (index, pipeline) in manifest.pipelines.iter().enumerate() {
        let (Some(id), Some(last)) = (&pipeline.id, pipeline.stages.len().checked_sub(1)) else {
            continue;
        };
        if let Some(object) = store.get(id, &private_key(settings, manifest, index, last))? {
            trees.insert(id, Tree::Stored(object));
        }
    }
    Ok(())
}

fn fetch(settings: &Settings, store: &Store, manifest: &Manifest) -> Vec<SourceOutcome> {
    let environment = Environment::of_process();
    let context = FetchContext {
        store,
        observer: settings.observer.as_ref(),
        cancel: settings.interrupt.cancel.flag(),
        environment: &environment,
        host_root: Path::new("/"),
    };
    let fetch_one = |source: &Source| {
        settings.observer.event(&Event::SourceStarted {
            module: source.module.clone(),
            id: source.id.clone(),
        });
        let outcome = osbuild_wasm_source::fetch(source, &context);
        settings
            .observer
            .event(&Event::SourceFinished(outcome.clone()));
        outcome
    };
    manifest.sources.iter().map(fetch_one).collect()
}

fn build_all(
    settings: &Settings,
    store: &Store,
    manifest: &Manifest,
    order: &[usize],
    trees: &Trees,
    outcome: &mut RunOutcome,
) -> Result<()> {
    let dependencies: Vec<_> = order
        .iter()
        .map(|index| dependencies(manifest, *index, order))
        .collect();
    let built: Vec<Mutex<Option<Result<PipelineOutcome>>>> =
        order.iter().map(|_| Mutex::default()).collect();
    let stop = AtomicBool::new(false);
    let site = Site {
        settings,
        store,
        manifest,
        trees,
        stop: &stop,
    };
    jobs::run(settings.jobs.max(1), &dependencies, |piece| {
        let result = if settings.interrupt.fired() {
            Err(BuildError::Interrupted)
        } else {
            pipeline::build(&site, order[piece])
        };
        let success = result
            .as_ref()
            .is_ok_and(|built| failed_stage(built).is_none());
        if !success {
            stop.store(true, Ordering::Relaxed);
        }
        *built[piece].lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
        success
    });
    collect(built, outcome)
}

/// Outcomes in the order of the schedule; the first failure counts.
fn collect(
    built: Vec<Mutex<Option<Result<PipelineOutcome>>>>,
    outcome: &mut RunOutcome,
) -> Result<()> {
    let mut error = None;
    for result in built {
        match result.into_inner().unwrap_or_else(PoisonError::into_inner) {
            None => {}
            Some(Err(failure)) => error = error.or(Some(failure)),
            Some(Ok(built)) => {
                if let Some(stage) = failed_stage(&built).filter(|_| outcome.failure.is_none()) {
                    outcome.failure = Some(Failure::Stage(stage.clone()));
                }
                outcome.pipelines.push(built);
            }
        }
    }
    match error {
        Some(error) if outcome.failure.is_none() => Err(error),
        _ => Ok(()),
    }
}

fn failed_stage(built: &PipelineOutcome) -> Option<&StageOutcome> {
    built.stages.last().filter(|stage| !stage.success)
}

/// Positions in `order` of the pipelines that one needs.
fn dependencies(manifest: &Manifest, index: usize, order: &[usize]) -> Vec<usize> {
    let position = |id: &str| {
        order.iter().position(|other| {
            *other != index && manifest.pipelines[*other].id.as_deref() == Some(id)
        })
    };
    needed_by(&manifest.pipelines[index])
        .filter_map(position)
        .collect()
}

/// Ids of the pipelines that one needs: its build root and its inputs.
fn needed_by(pipeline: &Pipeline) -> impl Iterator<Item = &str> {
    let inputs = pipeline
        .stages
        .iter()
        .flat_map(|stage| &stage.inputs)
        .filter(|input| input.origin == Origin::Pipeline);
    let inputs = inputs
        .flat_map(|input| &input.references)
        .filter_map(|reference| reference.id.as_deref());
    pipeline.build.as_deref().into_iter().chain(inputs)
}

/// What the stages of each available pipeline reported, merged by stage type.
fn add_metadata(manifest: &Manifest, trees: &Trees, outcome: &mut RunOutcome) {
    for pipeline in &manifest.pipelines {
        let Some(all) = pipeline.id.as_deref().and_then(|id| trees.metadata(id)) else {
            continue;
        };
        let mut merged = osbuild_wasm_manifest::json::Object::default();
        for stage in &pipeline.stages {
            let Some(Value::Object(new)) = all.get(&stage.id).cloned().map(Value::from) else {
                continue;
            };
            merge(&mut merged, stage.requested_module(), new);
        }
        match outcome
            .pipelines
            .iter_mut()
            .find(|built| built.name == pipeline.name)
        {
            Some(built) => built.metadata = merged,
            None => outcome.pipelines.push(PipelineOutcome {
                name: pipeline.name.clone(),
                id: pipeline.id.clone(),
                cached: true,
                stages: Vec::new(),
                metadata: merged,
            }),
        }
    }
}

fn merge(
    merged: &mut osbuild_wasm_manifest::json::Object,
    module: &str,
    new: osbuild_wasm_manifest::json::Object,
) {
    let mut all = match merged.get(module) {
        Some(Value::Object(all)) => all.clone(),
        _ => osbuild_wasm_manifest::json::Object::default(),
    };
    for (key, value) in new {
        all.insert(key, value);
    }
    merged.insert(module.into(), Value::Object(all));
}
