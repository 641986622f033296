//! The plan of a run: what a manifest asks for and what it gets, decided once. What runs is what it says.
mod ask;
mod hosts;
mod keys;
mod lookup;
mod profiles;
mod references;
mod settings;
mod told;

use crate::charter::grant_of;
use crate::failure::{BuildError, Denied, Result};
use crate::helper_processes::{needed_by, needed_by_stage};
use crate::inputs::{self, storage};
use crate::machine::{Machine, Prospect};
use crate::vm;
use crate::without_devices::Devices;
pub use lookup::Lookup;
use osbuild_wasm_capability::lock::Lock;
use osbuild_wasm_capability::plan::{Ask, Plan as Document, Planned, PlannedPipeline};
use osbuild_wasm_capability::policy::Decision;
use osbuild_wasm_capability::{MountNames, Policy, Right, Rights, VERSION};
use osbuild_wasm_component::{Kind, Module, Registry};
use osbuild_wasm_manifest::json::Value;
use osbuild_wasm_manifest::model::{Manifest, Pipeline, Source, Stage, StageClass, schedule};
use osbuild_wasm_manifest::origin::Reach;
use osbuild_wasm_protocol::{Charter, Interface, Offer, Steps};
use profiles::Profiles;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a plan is made for.
#[derive(Debug)]
pub struct PlanRequest<'a> {
    /// Components by name.
    pub registry: &'a Registry,
    /// The manifest.
    pub manifest: &'a Manifest,
    /// How messages name it.
    pub name: String,
    /// Names or ids of the pipelines to build; none: all of the manifest.
    pub exports: Option<&'a [String]>,
    /// The policy and how messages name it.
    pub policy: Option<(&'a str, &'a Policy)>,
}

/// Schedule, decisions, helpers and keys of a run: of everything that has to be built when the store is empty.
#[derive(Debug)]
pub struct Plan<'a> {
    manifest: &'a Manifest,
    policy: Option<&'a Policy>,
    document: Document,
    /// By pipeline, in the order of the document.
    pipelines: Vec<Scheduled>,
    /// The components as they are, without the options of a stage filled in.
    profiles: Profiles<'a>,
    /// Of the object after each stage, by pipeline of the manifest.
    keys: Vec<Vec<String>>,
}

/// A pipeline of the plan: its index in the manifest, and for each stage what runs.
#[derive(Debug)]
struct Scheduled {
    index: usize,
    stages: Vec<Runnable>,
}

/// A component within its rights.
#[derive(Debug)]
struct Runnable {
    module: Arc<Module>,
    rights: Rights,
}

/// A stage as the plan has it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StagePlan<'a> {
    pub(crate) module: &'a Module,
    /// What it gets.
    pub(crate) decision: &'a Decision,
    /// The rights of its document and of the policy, options filled in.
    pub(crate) rights: &'a Rights,
}

impl<'a> StagePlan<'a> {
    fn of(runnable: &'a Runnable, planned: &'a Planned) -> Self {
        Self {
            module: &runnable.module,
            decision: &planned.decision,
            rights: &runnable.rights,
        }
    }
}

/// A plan that nothing denies: the only one that runs.
#[derive(Debug)]
pub struct AuthorizedPlan<'a>(Plan<'a>);

impl<'a> Plan<'a> {
    /// Decides about everything that a manifest asks for; runs and fetches nothing.
    pub fn new(request: &PlanRequest<'a>) -> Result<Self> {
        let manifest = request.manifest;
        let policy = request.policy.map(|(_, policy)| policy);
        let mut profiles = Profiles::new(request.registry);
        let (mut pipelines, mut shown) = (Vec::new(), Vec::new());
        for index in order(request) {
            let (scheduled, planned) = plan_pipeline(manifest, index, &mut profiles, policy)?;
            pipelines.push(scheduled);
            shown.push(planned);
        }
        let source = |source| Ok(decided(ask::of_source(source)?, policy));
        let document = Document {
            kind: Document::TYPE.into(),
            version: 1,
            contract: VERSION.to_string(),
            manifest: request.name.clone(),
            policy: request.policy.map(|(name, _)| name.to_owned()),
            devices: None,
            sources: manifest.sources.iter().map(source).collect::<Result<_>>()?,
            pipelines: shown,
        };
        Ok(Self {
            manifest,
            policy,
            document,
            pipelines,
            profiles,
            keys: keys::of(manifest, request.registry, policy),
        })
    }

    /// The plan as it is shown, compared and attested.
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// Pins what the plan uses.
    pub fn lock(&self) -> Lock {
        Lock::of(&self.document, self.profiles.all().cloned())
    }

    /// Says in the document that the pipelines of these names are built in virtual machines, what these boot, and what keeps them from that.
    pub fn use_virtual_machines(&mut self, names: &[String]) {
        let of_pipeline = |stages: &mut dyn Iterator<Item = (&Stage, &Module, &Planned)>| {
            let refused = stages.map(|(stage, module, _)| vm::refuses(stage, module));
            refused.collect::<Vec<_>>()
        };
        let refused: Vec<_> = self.stages().map(|mut of| of_pipeline(&mut of)).collect();
        let pipelines = self.document.pipelines.iter_mut().zip(refused);
        for (pipeline, refused) in pipelines.filter(|(of, _)| names.contains(&of.name)) {
            pipeline.virtual_machine = Some(vm::foresee(pipeline.build.as_deref()));
            for (planned, reason) in pipeline.stages.iter_mut().zip(refused) {
                planned.lacks = reason.unwrap_or_default();
            }
        }
    }

    /// Says in the document how disks come to be, and which stages cannot run so; trees would be in `directory`. Virtual machines have all
    /// of it, but their trees come out.
    pub fn look_ahead(&mut self, devices: Devices, directory: &Path) {
        let machine = Machine::here(devices, directory);
        let names = self.document.pipelines.iter();
        let prospects = self.stages().zip(names);
        let prospects: Vec<Vec<_>> = prospects
            .map(|(stages, pipeline)| machine.prospects(&pipeline.name, stages))
            .collect();
        self.document.devices = Some(devices.name().to_owned());
        for (pipeline, prospects) in self.document.pipelines.iter_mut().zip(prospects) {
            let inside = pipeline.virtual_machine.is_some();
            for (planned, prospect) in pipeline.stages.iter_mut().zip(prospects) {
                match inside {
                    true if !planned.lacks.is_empty() => {}
                    true => planned.lacks = prospect.loses.unwrap_or_default(),
                    false => foresee(planned, prospect),
                }
            }
        }
    }

    /// The stages of each pipeline, with what runs and what is planned for each.
    pub(crate) fn stages(
        &self,
    ) -> impl Iterator<Item = impl Iterator<Item = (&Stage, &Module, &Planned)>> {
        let pipelines = self.pipelines.iter().zip(&self.document.pipelines);
        pipelines.map(|(scheduled, shown)| {
            let stages = &self.manifest.pipelines[scheduled.index].stages;
            let stages = stages.iter().zip(&scheduled.stages).zip(&shown.stages);
            stages.map(|((stage, runnable), planned)| (stage, &*runnable.module, planned))
        })
    }

    /// The stages of each pipeline of the plan, with its index in the manifest.
    fn stage_plans(&self) -> impl Iterator<Item = (usize, Vec<StagePlan<'_>>)> {
        let pipelines = self.pipelines.iter().zip(&self.document.pipelines);
        pipelines.map(|(scheduled, shown)| {
            let stages = scheduled.stages.iter().zip(&shown.stages);
            let plans = stages.map(|(runnable, planned)| StagePlan::of(runnable, planned));
            (scheduled.index, plans.collect())
        })
    }

    /// The plan as something that may run, when nothing in it is denied.
    pub fn authorize(self) -> Result<AuthorizedPlan<'a>> {
        match self.document.granted() {
            true => Ok(AuthorizedPlan(self)),
            false => Err(Denied(Box::new(self.document)).into()),
        }
    }
}

impl AuthorizedPlan<'_> {
    /// The plan as it is shown, compared and attested.
    pub fn document(&self) -> &Document {
        &self.0.document
    }

    /// The helpers that its stages, devices and mounts use, each with the first that needs it.
    pub fn helpers(&self) -> BTreeMap<Interface, String> {
        let mut helpers = BTreeMap::new();
        for (scheduled, shown) in self.0.pipelines.iter().zip(&self.0.document.pipelines) {
            let stages = &self.manifest().pipelines[scheduled.index].stages;
            for (stage, planned) in stages.iter().zip(&shown.stages) {
                let granted = needed_by(&planned.decision.interfaces);
                for interface in granted.chain(needed_by_stage(stage)) {
                    let asker = || format!("{} ({})", planned.ask.place, stage.requested_module());
                    helpers.entry(interface).or_insert_with(asker);
                }
            }
        }
        helpers
    }

    /// The most that sessions of the helpers are granted, by stage; of directories, those beside the store.
    pub fn charter(&self) -> Charter {
        let mut charter = Charter::of_scopes(self.scopes());
        for (stage, ..) in self.stages().flatten() {
            let inputs = stage.inputs.iter();
            let programs = inputs.flat_map(|input| inputs::programs(&input.module));
            let offers = programs.map(|program| Offer::of_programs([*program]));
            charter.offers.extend(offers);
        }
        for plan in self.0.stage_plans().flat_map(|(_, stages)| stages) {
            charter.add(&grant_of(plan));
        }
        charter
    }

    /// The stages of each pipeline, with what runs and what is planned for each.
    pub(crate) fn stages(
        &self,
    ) -> impl Iterator<Item = impl Iterator<Item = (&Stage, &Module, &Planned)>> {
        self.0.stages()
    }

    /// Directories beside the store that helpers touch: the machine's container storage, where it is an input.
    fn scopes(&self) -> Vec<PathBuf> {
        storage::scopes(self.manifest())
    }

    /// The host that an item of a source comes from, if the manifest names one.
    pub fn item_host(&self, source: &str, key: &str) -> Option<String> {
        let mut sources = self.manifest().sources.iter();
        let source = sources.find(|of| of.id == source)?;
        let item = source.items.as_object()?.get(key)?;
        Reach::of_item(source, item).hosts.into_iter().next()
    }

    /// The sources, with what each gets.
    pub(crate) fn sources(&self) -> impl Iterator<Item = (&Source, &Decision)> {
        let planned = self.0.document.sources.iter();
        let decisions = planned.map(|planned| &planned.decision);
        self.manifest().sources.iter().zip(decisions)
    }

    /// Whether a policy decided.
    pub(crate) fn has_policy(&self) -> bool {
        self.0.policy.is_some()
    }

    /// The manifest that it is of.
    pub fn manifest(&self) -> &Manifest {
        self.0.manifest
    }

    /// How the user calls the manifest.
    pub(crate) fn name(&self) -> &str {
        &self.0.document.manifest
    }

    /// A stage by its pipeline's index in the manifest and its place there.
    pub(crate) fn stage(&self, index: usize, position: usize) -> Result<StagePlan<'_>> {
        let mut pipelines = self.0.pipelines.iter().zip(&self.0.document.pipelines);
        let found = pipelines.find(|(scheduled, _)| scheduled.index == index);
        let stage = found.and_then(|(scheduled, shown)| {
            let runnable = scheduled.stages.get(position)?;
            Some(StagePlan::of(runnable, shown.stages.get(position)?))
        });
        stage.ok_or_else(|| {
            let place = format!("stage {position} of pipeline {index}");
            BuildError::manifest(place, "is not in the plan of this run")
        })
    }

    /// The key of the object after a stage.
    pub(crate) fn key(&self, index: usize, position: usize) -> &str {
        let keys = self.0.keys.get(index);
        keys.and_then(|keys| keys.get(position))
            .map_or("", String::as_str)
    }

    /// Lines to append to the policy that would have allowed these rights to a module while it ran.
    pub(crate) fn remedy(&self, module: &str, missing: &[Right]) -> Option<String> {
        self.0.policy?.remedy_of_paths(module, missing)
    }
}

/// Says of a stage what is known of it before it runs.
fn foresee(planned: &mut Planned, prospect: Prospect) {
    planned.lacks = prospect.lacks.unwrap_or_default();
    let parts = planned.ask.devices.iter_mut().zip(prospect.devices);
    let parts = parts.chain(planned.ask.mounts.iter_mut().zip(prospect.mounts));
    parts.for_each(|(part, by)| part.by = by);
}

/// The kind of component that carries a stage out.
pub(crate) fn kind_of(stage: &Stage) -> Kind {
    match stage.class {
        StageClass::Stage => Kind::Stage,
        StageClass::Assembler => Kind::Assembler,
    }
}

/// One component alone, without manifest and policy: what it asks for is what it gets.
#[derive(Debug)]
pub(crate) struct SinglePlan<'a> {
    module: &'a Module,
    decision: Decision,
    rights: Rights,
}

impl<'a> SinglePlan<'a> {
    /// The plan of a component with these options on this machine, when nothing is denied.
    pub(crate) fn new(module: &'a Module, options: &Value) -> Result<Self> {
        let (ask, rights) =
            ask::of_component(profiles::of(module)?, options, true, MountNames::default())?;
        let planned = decided(ask, None);
        if let Some(denial) = planned.decision.denials.first() {
            let reason = format!("{}: {}", denial.capability, denial.reason);
            return Err(BuildError::manifest(&module.metadata.name, reason));
        }
        Ok(Self {
            module,
            decision: planned.decision,
            rights,
        })
    }

    pub(crate) fn stage(&self) -> StagePlan<'_> {
        StagePlan {
            module: self.module,
            decision: &self.decision,
            rights: &self.rights,
        }
    }
}

/// Indices of the pipelines to plan for, dependencies first.
fn order(request: &PlanRequest<'_>) -> Vec<usize> {
    match request.exports {
        None => (0..request.manifest.pipelines.len()).collect(),
        Some(exports) => {
            let targets: Vec<_> = exports.iter().map(String::as_str).collect();
            schedule(request.manifest, &targets, &|_| false)
        }
    }
}

fn plan_pipeline(
    manifest: &Manifest,
    index: usize,
    profiles: &mut Profiles<'_>,
    policy: Option<&Policy>,
) -> Result<(Scheduled, PlannedPipeline)> {
    let pipeline = &manifest.pipelines[index];
    let (mut stages, mut shown) = (Vec::new(), Vec::new());
    for (position, stage) in pipeline.stages.iter().enumerate() {
        let (module, profile) = profiles.get(stage)?;
        let (ask, rights) = ask::of_stage(manifest, (index, position), profile)?;
        let planned = decided(ask, policy);
        let narrowed = planned.decision.narrow(rights);
        let rights = narrowed
            .map_err(|error| BuildError::manifest("rights of the policy", error.to_string()))?;
        stages.push(Runnable { module, rights });
        shown.push(planned);
    }
    let build = pipeline.build.as_deref();
    let build = build.and_then(|id| manifest.pipelines.get(manifest.find_id(id)?));
    let planned = PlannedPipeline {
        name: pipeline.name.clone(),
        id: pipeline.id.clone(),
        build: build.map(|build: &Pipeline| build.name.clone()),
        runner: pipeline.runner.exec.clone(),
        runner_programs: Steps::of(Some(&pipeline.runner.exec))
            .map(|steps| steps.programs().into_iter().map(str::to_owned).collect())
            .unwrap_or_default(),
        source_epoch: pipeline.source_epoch,
        virtual_machine: None,
        stages: shown,
    };
    Ok((Scheduled { index, stages }, planned))
}

fn decided(ask: Ask, policy: Option<&Policy>) -> Planned {
    let decision = match policy {
        Some(policy) => policy.decide(&ask),
        None => Decision::without_policy(&ask),
    };
    Planned {
        ask,
        decision,
        lacks: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use osbuild_wasm_manifest::load::{LoadOptions, load};
    use osbuild_wasm_manifest::runner::host_runner;
    use serde_json::json;

    /// Whoever calls the library gets every refusal: there is no other way to something that runs.
    #[test]
    fn a_plan_with_a_denied_source_is_not_authorized_for_anybody() {
        let items =
            json!({ format!("sha256:{}", "0".repeat(64)): { "url": "https://a.example/x" } });
        let sources = json!({ "org.osbuild.curl": { "items": items } });
        let document = json!({ "version": "2", "sources": sources, "pipelines": [] });
        let options = LoadOptions {
            host_runner: host_runner("ID=debian"),
        };
        let manifest = load(&document.into(), &options).expect("a manifest");
        let registry = Registry::new(&[]);
        let authorize = |rules: &str| {
            let policy = Policy::parse(&format!("version = 1\n{rules}")).expect("a policy");
            let request = PlanRequest {
                registry: &registry,
                manifest: &manifest,
                name: "m".into(),
                exports: None,
                policy: Some(("p", &policy)),
            };
            let plan = Plan::new(&request).expect("a plan");
            plan.authorize()
                .map(|_| ())
                .map_err(|error| error.to_string())
        };
        let denied = authorize("").expect_err("no rule");
        assert!(denied.contains("org.osbuild.curl"), "{denied}");
        let rule = "[[rule]]\nmodules = ['*']\nhosts = ";
        let denied = authorize(&format!("{rule}['b.example']")).expect_err("another host");
        assert!(denied.contains("host a.example:443"), "{denied}");
        assert_eq!(authorize(&format!("{rule}['a.example']")), Ok(()));
    }
}
