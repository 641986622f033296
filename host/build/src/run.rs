//! A whole run: sources, the pipelines that the exports need, exports.
use crate::confinement::Confined;
use crate::export::{export_all, targets};
use crate::failure::{BuildError, Result};
use crate::helper_processes::HelperProcesses;
use crate::interrupt::Interrupt;
use crate::isolation::Isolation;
use crate::pipeline;
use crate::plan::AuthorizedPlan;
use crate::record::Records;
use crate::schedule;
use crate::trees::{Tree, Trees};
use crate::vm::{Kept, VirtualMachines};
use crate::without_devices::{Devices, can_begin_behind};
use osbuild_wasm_capability::Limits;
use osbuild_wasm_capability::policy::Decision;
use osbuild_wasm_component::Engine;
use osbuild_wasm_events::{
    Event, Failure, Observer, PipelineOutcome, RunOutcome, SourceOutcome, StageOutcome,
};
use osbuild_wasm_manifest::json::{Object, Value};
use osbuild_wasm_manifest::model::{Manifest, Origin, Pipeline, Source};
use osbuild_wasm_source::{Allowance, Environment, FetchContext, Logins};
use osbuild_wasm_store::Store;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How a run works, whatever it builds.
pub struct Settings {
    /// Runs components.
    pub engine: Engine,
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
    /// Which pipelines are built in virtual machines; needs the helper for these.
    pub virtual_machines: Option<VirtualMachines>,
    /// Ends everything early.
    pub interrupt: Interrupt,
    /// Logins for mirrors of the manifest.
    pub logins: Logins,
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
    /// Whether a build of the pipeline can begin with what this stage left in the store.
    pub(crate) fn can_begin_behind(&self, pipeline: &Pipeline, position: usize) -> bool {
        self.devices == Devices::Loop || can_begin_behind(&pipeline.stages, position)
    }
}

/// What a run is to bring about of its plan.
#[derive(Debug)]
pub struct Request<'a> {
    /// What may be built.
    pub plan: &'a AuthorizedPlan<'a>,
    /// What to export.
    pub exports: &'a [Export],
    /// Exported files keep their owners; otherwise they belong to whoever runs this.
    pub owners: bool,
    /// What to tell about the exports.
    pub reports: ReportRequest,
}

/// What a run tells about its exports beside making them: for statements of provenance and lists of materials.
#[derive(Debug, Clone, Copy, Default)]
pub struct ReportRequest {
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

/// What all pipelines and stages of a run share.
#[derive(Clone, Copy)]
pub(crate) struct RunContext<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) helpers: &'a Arc<HelperProcesses>,
    pub(crate) isolation: &'a Isolation,
    pub(crate) store: &'a Store,
    pub(crate) plan: &'a AuthorizedPlan<'a>,
    pub(crate) trees: &'a Trees,
    /// Something failed: begin no further stage.
    pub(crate) stop: &'a AtomicBool,
    /// In a virtual machine: what trees may have to be made outside; none: everything.
    pub(crate) kept: Option<&'a Kept>,
}

impl Confined {
    /// Carries a request out. An error means that the run could not even begin; everything later is in the outcome.
    pub fn run(
        &self,
        settings: &Settings,
        store: &Store,
        request: &Request<'_>,
    ) -> Result<RunOutcome> {
        let trees = Trees::new(store.scratch("runners")?);
        let context = RunContext {
            settings,
            helpers: &self.helpers,
            isolation: &self.isolation,
            store,
            plan: request.plan,
            trees: &trees,
            stop: &AtomicBool::new(false),
            kept: None,
        };
        context.run(request)
    }
}

impl RunContext<'_> {
    pub(crate) fn manifest(&self) -> &Manifest {
        self.plan.manifest()
    }

    fn run(&self, request: &Request<'_>) -> Result<RunOutcome> {
        let started = Instant::now();
        let targets = targets(request);
        self.load_stored()?;
        let order = self.schedule(&targets);
        let pipelines = order.iter();
        self.tell(&Event::RunStarted {
            manifest: self.plan.name().to_owned(),
            sources: self.manifest().sources.len(),
            pipelines: pipelines
                .map(|index| self.manifest().pipelines[*index].name.clone())
                .collect(),
        });
        self.announce_stored(&order, &targets);
        let mut outcome = RunOutcome {
            success: true,
            sources: self.fetch(),
            pipelines: Vec::new(),
            failure: None,
        };
        outcome.failure = self.build(&order, request, &mut outcome);
        outcome.success = outcome.failure.is_none();
        add_metadata(self.manifest(), self.trees, &mut outcome);
        self.tell(&Event::RunFinished {
            success: outcome.success,
            duration: started.elapsed(),
        });
        Ok(outcome)
    }

    /// Builds and exports, once the sources are there; why that came to nothing.
    fn build(
        &self,
        order: &[usize],
        request: &Request<'_>,
        outcome: &mut RunOutcome,
    ) -> Option<Failure> {
        if let Some(failed) = outcome.sources.iter().find(|source| !source.success) {
            return Some(Failure::Source(failed.clone()));
        }
        let built = self.build_all(order, &mut outcome.pipelines);
        let ended = built.and_then(|failed| match failed {
            Some(stage) => Ok(Some(Failure::Stage(stage))),
            None => export_all(self, request).map(|()| None),
        });
        ended.unwrap_or_else(|error| {
            let is_interrupt = matches!(error, BuildError::Interrupted);
            Some(Failure::Host {
                place: if is_interrupt { "interrupted" } else { "run" }.into(),
                message: error.to_string(),
                details: None,
            })
        })
    }

    pub(crate) fn tell(&self, event: &Event) {
        self.settings.observer.event(event);
    }

    /// What of the plan has to be built now, dependencies first.
    fn schedule(&self, targets: &[String]) -> Vec<usize> {
        let stored = |id: &str| {
            let mut pipelines = self.manifest().pipelines.iter().enumerate();
            let at = pipelines.find_map(|(index, pipeline)| {
                let mut stages = pipeline.stages.iter();
                Some((index, stages.position(|stage| stage.id == id)?))
            });
            at.is_some_and(|(index, position)| {
                let pipeline = &self.manifest().pipelines[index];
                let key = self.plan.key(index, position);
                self.settings.can_begin_behind(pipeline, position)
                    && self.store.contains(id, key).unwrap_or(false)
            })
        };
        let targets: Vec<_> = targets.iter().map(String::as_str).collect();
        osbuild_wasm_manifest::model::schedule(self.manifest(), &targets, &stored)
    }

    /// Says which of the pipelines that are wanted, or that something wanted needs, the store has already.
    fn announce_stored(&self, order: &[usize], targets: &[String]) {
        let pipelines = &self.manifest().pipelines;
        let needed = order.iter().flat_map(|index| needed_by(&pipelines[*index]));
        let needed: Vec<_> = needed.collect();
        for pipeline in pipelines {
            let wanted = |id: &&String| targets.contains(id) || needed.contains(&id.as_str());
            let id = pipeline.id.as_ref().filter(wanted);
            if let Some(id) = id.filter(|_| self.trees.known(pipeline)) {
                self.tell(&Event::PipelineFinished {
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
    fn load_stored(&self) -> Result<()> {
        for (index, pipeline) in self.manifest().pipelines.iter().enumerate() {
            let (Some(id), Some(last)) = (&pipeline.id, pipeline.stages.len().checked_sub(1))
            else {
                continue;
            };
            if let Some(object) = self.store.get(id, self.plan.key(index, last))? {
                self.trees.insert(id, Tree::Stored(object));
            }
        }
        Ok(())
    }

    /// Fetches what is missing, each source within what the plan gives it.
    fn fetch(&self) -> Vec<SourceOutcome> {
        let environment = Environment::of_process();
        let fetch_one = |(source, decision): (&Source, &Decision)| {
            self.tell(&Event::SourceStarted {
                module: source.module.clone(),
                id: source.id.clone(),
            });
            let limits = Limits::from(decision.limits);
            let ask = |host: &str| {
                if let Some(records) = &self.settings.records {
                    records.ask(&source.id, host);
                }
                decision.may_reach(host)
            };
            let context = FetchContext {
                store: self.store,
                observer: self.settings.observer.as_ref(),
                cancel: self.settings.interrupt.cancel.flag(),
                logins: &self.settings.logins,
                environment: &environment,
                host_root: Path::new("/"),
                allowance: Allowance {
                    host: &ask,
                    rule: decision.rule.as_deref().unwrap_or_default(),
                    links: !self.plan.has_policy(),
                    bytes: limits.written_bytes,
                    time: limits.time,
                },
                deadline: limits
                    .time
                    .and_then(|time| Instant::now().checked_add(time)),
            };
            let outcome = osbuild_wasm_source::fetch(source, &context);
            self.tell(&Event::SourceFinished(outcome.clone()));
            outcome
        };
        self.plan.sources().map(fetch_one).collect()
    }

    /// Builds pipelines, several at a time; the stage that failed, if one did.
    fn build_all(
        &self,
        order: &[usize],
        outcomes: &mut Vec<PipelineOutcome>,
    ) -> Result<Option<StageOutcome>> {
        let dependencies = order.iter();
        let dependencies: Vec<_> = dependencies
            .map(|index| dependencies_of(self.manifest(), *index, order))
            .collect();
        let built: Vec<Mutex<Option<Result<PipelineOutcome>>>> =
            order.iter().map(|_| Mutex::default()).collect();
        let parallel = self.settings.jobs.max(1);
        schedule::run(parallel, &dependencies, |piece| {
            let result = match self.settings.interrupt.fired() {
                true => Err(BuildError::Interrupted),
                false => pipeline::build(self, order[piece]),
            };
            let success = result
                .as_ref()
                .is_ok_and(|built| failed_stage(built).is_none());
            if !success {
                self.stop.store(true, Ordering::Relaxed);
            }
            *built[piece].lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
            success
        });
        collect(built, outcomes)
    }
}

/// Outcomes in the order of the schedule; the first failure counts.
fn collect(
    built: Vec<Mutex<Option<Result<PipelineOutcome>>>>,
    outcomes: &mut Vec<PipelineOutcome>,
) -> Result<Option<StageOutcome>> {
    let (mut error, mut failed) = (None, None);
    for result in built {
        match result.into_inner().unwrap_or_else(PoisonError::into_inner) {
            None => {}
            Some(Err(failure)) => error = error.or(Some(failure)),
            Some(Ok(built)) => {
                failed = failed.or_else(|| failed_stage(&built).cloned());
                outcomes.push(built);
            }
        }
    }
    match error {
        Some(error) if failed.is_none() => Err(error),
        _ => Ok(failed),
    }
}

fn failed_stage(built: &PipelineOutcome) -> Option<&StageOutcome> {
    built.stages.last().filter(|stage| !stage.success)
}

/// Positions in `order` of the pipelines that one needs.
fn dependencies_of(manifest: &Manifest, index: usize, order: &[usize]) -> Vec<usize> {
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
pub(crate) fn needed_by(pipeline: &Pipeline) -> impl Iterator<Item = &str> {
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
        let mut merged = Object::default();
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

fn merge(merged: &mut Object, module: &str, new: Object) {
    let mut all = match merged.get(module) {
        Some(Value::Object(all)) => all.clone(),
        _ => Object::default(),
    };
    for (key, value) in new {
        all.insert(key, value);
    }
    merged.insert(module.into(), Value::Object(all));
}
