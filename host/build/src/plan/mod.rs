//! What a manifest asks for and what it gets, found out without running or fetching anything.
mod hosts;

use crate::failure::{BuildError, Result};
use crate::key::kind_of;
use osbuild_wasm_capability::audit::Graph;
use osbuild_wasm_capability::lock::Lock;
use osbuild_wasm_capability::plan::{Ask, Bounds, Part, Plan, Planned, PlannedPipeline};
use osbuild_wasm_capability::policy::Decision;
use osbuild_wasm_capability::{BUILT_IN, Limits, Policy, Profile, Rights, VERSION};
use osbuild_wasm_component::{ComponentError, Kind, Module, Origin, Registry};
use osbuild_wasm_manifest::json::Value;
use osbuild_wasm_manifest::model::{
    Device, Input, Manifest, Mount, Origin as From, Pipeline, Source, Stage, Version, schedule,
};
use std::collections::BTreeMap;

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
    pub exports: &'a [String],
    /// The policy and how messages name it.
    pub policy: Option<(&'a str, &'a Policy)>,
}

/// Says what a manifest asks for, and what it gets: of everything that has to be built when the store is empty.
pub fn plan(request: &PlanRequest<'_>) -> Result<Plan> {
    let manifest = request.manifest;
    let targets: Vec<_> = request.exports.iter().map(String::as_str).collect();
    let order = match targets.is_empty() {
        true => (0..manifest.pipelines.len()).collect(),
        false => schedule(manifest, &targets, &|_| false),
    };
    let mut profiles = Profiles {
        registry: request.registry,
        known: BTreeMap::new(),
    };
    let policy = request.policy.map(|(_, policy)| policy);
    let pipelines = order
        .into_iter()
        .map(|index| pipeline(manifest, index, &mut profiles, policy));
    Ok(Plan {
        kind: Plan::TYPE.into(),
        version: 1,
        contract: VERSION.to_string(),
        manifest: request.name.clone(),
        policy: request.policy.map(|(name, _)| name.to_owned()),
        sources: manifest
            .sources
            .iter()
            .map(|source| decided(source_ask(source), policy))
            .collect(),
        pipelines: pipelines.collect::<Result<_>>()?,
    })
}

/// Pins what a whole manifest uses.
pub fn lock(registry: &Registry, manifest: &Manifest) -> Result<Lock> {
    let request = PlanRequest {
        registry,
        manifest,
        name: String::new(),
        exports: &[],
        policy: None,
    };
    let mut profiles = Profiles {
        registry,
        known: BTreeMap::new(),
    };
    for stage in manifest
        .pipelines
        .iter()
        .flat_map(|pipeline| &pipeline.stages)
    {
        profiles.get(stage)?;
    }
    Ok(Lock::of(&plan(&request)?, profiles.known.into_values()))
}

/// The profile of a component of the registry.
fn profile(module: &Module) -> Result<Profile> {
    let origin = match &module.origin {
        Origin::Builtin => BUILT_IN.to_owned(),
        Origin::File(path) => path.display().to_string(),
    };
    let graph = Graph::read(&module.bytes).map_err(|cause| ComponentError::NotAComponent {
        name: module.metadata.name.clone(),
        cause,
    })?;
    Ok(Profile {
        signers: module.signers.clone(),
        ..Profile::of(&module.bytes, &graph, Some(&module.metadata), &origin)
    })
}

/// Profiles of the components that were met already.
struct Profiles<'a> {
    registry: &'a Registry,
    known: BTreeMap<(Kind, String), Profile>,
}

impl Profiles<'_> {
    fn get(&mut self, stage: &Stage) -> Result<Profile> {
        let key = (kind_of(stage), stage.module.clone());
        if let Some(profile) = self.known.get(&key) {
            return Ok(profile.clone());
        }
        let missing = || BuildError::no_component(key.0, &key.1);
        let module = self.registry.get(key.0, &key.1).ok_or_else(missing)??;
        let profile = profile(&module)?;
        self.known.insert(key, profile.clone());
        Ok(profile)
    }
}

fn pipeline(
    manifest: &Manifest,
    index: usize,
    profiles: &mut Profiles<'_>,
    policy: Option<&Policy>,
) -> Result<PlannedPipeline> {
    let pipeline = &manifest.pipelines[index];
    let stages = pipeline.stages.iter().enumerate().map(|(position, stage)| {
        let ask = Ask {
            place: place(manifest, index, position),
            inputs: stage
                .inputs
                .iter()
                .map(|input| input_part(manifest, input))
                .collect(),
            ..ask(stage, profiles.get(stage)?)?
        };
        Ok(decided(ask, policy))
    });
    let build = pipeline
        .build
        .as_deref()
        .and_then(|id| manifest.pipelines.get(manifest.find_id(id)?));
    Ok(PlannedPipeline {
        name: pipeline.name.clone(),
        id: pipeline.id.clone(),
        build: build.map(|build: &Pipeline| build.name.clone()),
        runner: pipeline.runner.exec.clone(),
        source_epoch: pipeline.source_epoch,
        stages: stages.collect::<Result<_>>()?,
    })
}

/// Where a stage is in the document.
pub(crate) fn place(manifest: &Manifest, pipeline: usize, stage: usize) -> String {
    match manifest.version {
        Version::V2 => format!(".pipelines[{pipeline}].stages[{stage}]"),
        Version::V1 => format!(
            "pipeline {}, stage {stage}",
            manifest.pipelines[pipeline].name
        ),
    }
}

fn decided(ask: Ask, policy: Option<&Policy>) -> Planned {
    let decision = match policy {
        Some(policy) => policy.decide(&ask),
        None => Decision::without_policy(&ask),
    };
    Planned { ask, decision }
}

/// What a policy decides about a stage whose component is known.
pub(crate) fn decide(stage: &Stage, module: &Module, policy: &Policy) -> Result<Decision> {
    Ok(policy.decide(&ask(stage, profile(module)?)?))
}

/// What a component gets where there is no policy.
pub(crate) fn as_asked(module: &Module) -> Decision {
    Decision {
        interfaces: module.request.interfaces.clone(),
        wasi_filesystem: true,
        programs: module.metadata.programs.clone(),
        linux_capabilities: module.metadata.capabilities.clone(),
        privileged_programs: match module.origin {
            Origin::Builtin => module.metadata.privileged_programs.clone(),
            Origin::File(_) => Vec::new(),
        },
        limits: Bounds::from(&Limits::default()),
        ..Decision::default()
    }
}

/// What a stage asks for; its inputs and its place are no matter of policy.
fn ask(stage: &Stage, mut module: Profile) -> Result<Ask> {
    let options: serde_json::Value = (&stage.options).into();
    if let Some(rights) = &module.rights {
        let filled = Rights::everything()
            .narrowed(rights, &options)
            .map_err(|error| {
                let place = format!("module {}: rights", module.name);
                BuildError::manifest(place, error.to_string())
            })?;
        let mut rights = filled.layers().next().unwrap_or_default();
        rights.retain(|right| !right.paths.is_empty());
        module.rights = Some(rights);
    }
    Ok(Ask {
        id: stage.id.clone(),
        devices: stage.devices.iter().map(device_part).collect(),
        mounts: stage.mounts.iter().map(mount_part).collect(),
        hosts: hosts::of_stage(&module, &stage.options),
        module,
        options,
        ..Ask::default()
    })
}

fn source_ask(source: &Source) -> Ask {
    Ask {
        place: format!(".sources.{}", source.module),
        id: source.id.clone(),
        module: Profile {
            name: source.module.clone(),
            kind: "source".into(),
            ..Profile::default()
        },
        hosts: hosts::of_source(source),
        ..Ask::default()
    }
}

fn input_part(manifest: &Manifest, input: &Input) -> Part {
    let pipeline = |id: &str| Some(manifest.pipelines.get(manifest.find_id(id)?)?.name.clone());
    let names = input
        .references
        .iter()
        .filter_map(|reference| pipeline(reference.id.as_deref()?));
    Part {
        name: input.name.clone(),
        module: input.module.clone(),
        of: match input.origin {
            From::Pipeline => names
                .map(|name| format!("pipeline {name}"))
                .collect::<Vec<_>>()
                .join(", "),
            From::Source => match input.references.len() {
                1 => "1 item of a source".into(),
                count => format!("{count} items of sources"),
            },
        },
    }
}

fn device_part(device: &Device) -> Part {
    let option = |name: &str| device.options.get(name);
    let file = option("filename")
        .or(option("volume"))
        .and_then(Value::as_str);
    let start = option("start")
        .and_then(Value::as_u64)
        .filter(|start| *start > 0);
    let words = [
        file.map(str::to_owned),
        start.map(|start| format!("from sector {start}")),
        device.parent.as_ref().map(|parent| format!("on {parent}")),
    ];
    Part {
        name: device.name.clone(),
        module: device.module.clone(),
        of: words.into_iter().flatten().collect::<Vec<_>>().join(" "),
    }
}

fn mount_part(mount: &Mount) -> Part {
    let words = [
        mount.source.clone(),
        mount
            .partition
            .as_ref()
            .map(|partition| format!("partition {}", partition.as_f64())),
        mount.target.as_ref().map(|target| format!("on {target}")),
    ];
    Part {
        name: mount.name.clone(),
        module: mount.module.clone(),
        of: words.into_iter().flatten().collect::<Vec<_>>().join(" "),
    }
}
