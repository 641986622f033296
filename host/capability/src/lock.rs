//! Lock files: what a manifest uses and what it has done with it, pinned.
use crate::interface::VERSION;
use crate::places::Places;
use crate::plan::{Part, Plan, Planned, PlannedPipeline};
use crate::profile::Profile;
use crate::rights::Right;
use crate::told::Told;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A lock file; schemas/lock.json.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// Always [`Lock::TYPE`].
    #[serde(rename = "type")]
    pub kind: String,
    /// Version of this format: [`Lock::FORMAT`].
    pub version: u64,
    /// Version of the contract that the program offered.
    pub contract: String,
    /// Each stage and assembler that the manifest uses, by kind and name: its digest, interfaces, and what it may do.
    pub components: BTreeMap<String, Profile>,
    /// Types of inputs, devices and mounts of the stages.
    pub inputs: BTreeSet<String>,
    /// Types of devices.
    pub devices: BTreeSet<String>,
    /// Types of mounts.
    pub mounts: BTreeSet<String>,
    /// The hosts that sources reach, and the files of this machine that they read (`file:` before the path), by module.
    pub sources: BTreeMap<String, BTreeSet<String>>,
    /// What else decides where the contents of sources come from and who vouches for them, by module.
    pub settings: BTreeMap<String, BTreeSet<String>>,
    /// The items of sources, each by its key and how it is called where it comes from, by module.
    pub items: BTreeMap<String, BTreeSet<String>>,
    /// The hosts that programs of stages reach, by module.
    pub networks: BTreeMap<String, BTreeSet<String>>,
    /// What the manifest has the components do, in the order of building.
    pub pipelines: Vec<LockedPipeline>,
}

/// A pipeline of a lock file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedPipeline {
    /// Its name.
    pub name: String,
    /// The pipeline whose tree programs come from; none: they come from the machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<String>,
    /// What prepares the build root.
    pub runner: String,
    /// What its stages see as the time, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_epoch: Option<i64>,
    /// Its stages, in order.
    pub stages: Vec<LockedStage>,
}

/// A stage of a lock file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedStage {
    /// Its component: a key of [`Lock::components`].
    pub component: String,
    /// Verbs on paths that its document limits it to, the options filled in; none: everything that it is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rights: Option<Vec<Right>>,
    /// Where its programs read and write, the options filled in; none: it runs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub programs_touch: Option<Places>,
    /// Inputs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<Part>,
    /// Devices.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<Part>,
    /// Mounts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<Part>,
    /// Hosts that its programs reach.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// SHA-256 of all its options.
    pub configuration: String,
    /// These options by their paths, and the contents of its inputs.
    #[serde(default, skip_serializing_if = "Told::is_empty")]
    pub told: Told,
}

impl Lock {
    /// What `type` says.
    pub const TYPE: &'static str = "osbuild-wasm lock";
    /// Version of this format; version 1 did not have what the manifest does, version 2 not the options by their paths.
    pub const FORMAT: u64 = 3;

    /// Pins what a plan uses; `profiles` are the components as they are, without the options of a stage filled in.
    pub fn of(plan: &Plan, profiles: impl IntoIterator<Item = Profile>) -> Self {
        let mut lock = Self {
            kind: Self::TYPE.into(),
            version: Self::FORMAT,
            contract: VERSION.to_string(),
            components: profiles.into_iter().map(entry).collect(),
            inputs: BTreeSet::new(),
            devices: BTreeSet::new(),
            mounts: BTreeSet::new(),
            sources: BTreeMap::new(),
            settings: BTreeMap::new(),
            items: BTreeMap::new(),
            networks: BTreeMap::new(),
            pipelines: plan.pipelines.iter().map(LockedPipeline::of).collect(),
        };
        for planned in &plan.sources {
            let ask = &planned.ask;
            add(&mut lock.sources, planned, &ask.hosts);
            let files: Vec<_> = ask
                .files
                .iter()
                .map(|file| format!("file:{file}"))
                .collect();
            add(&mut lock.sources, planned, &files);
            add(&mut lock.items, planned, ask.told.values().flatten());
            if !ask.settings.is_empty() {
                add(&mut lock.settings, planned, &ask.settings);
            }
        }
        for planned in plan.pipelines.iter().flat_map(|pipeline| &pipeline.stages) {
            let ask = &planned.ask;
            lock.inputs
                .extend(ask.inputs.iter().map(|part| part.module.clone()));
            lock.devices
                .extend(ask.devices.iter().map(|part| part.module.clone()));
            lock.mounts
                .extend(ask.mounts.iter().map(|part| part.module.clone()));
            if !ask.hosts.is_empty() {
                add(&mut lock.networks, planned, &ask.hosts);
            }
        }
        lock
    }
}

impl LockedPipeline {
    fn of(pipeline: &PlannedPipeline) -> Self {
        Self {
            name: pipeline.name.clone(),
            build: pipeline.build.clone(),
            runner: pipeline.runner.clone(),
            source_epoch: pipeline.source_epoch,
            stages: pipeline.stages.iter().map(LockedStage::of).collect(),
        }
    }
}

impl LockedStage {
    fn of(planned: &Planned) -> Self {
        let ask = &planned.ask;
        Self {
            component: key(&ask.module),
            rights: ask.module.rights.clone(),
            programs_touch: ask.module.places_of_programs(),
            inputs: ask.inputs.clone(),
            devices: ask.devices.clone(),
            mounts: ask.mounts.clone(),
            hosts: ask.hosts.clone(),
            configuration: ask.configuration.clone(),
            told: ask.told.clone(),
        }
    }
}

fn add<'a>(
    to: &mut BTreeMap<String, BTreeSet<String>>,
    planned: &Planned,
    words: impl IntoIterator<Item = &'a String>,
) {
    let all = to.entry(planned.ask.module.name.clone()).or_default();
    all.extend(words.into_iter().cloned());
}

fn key(profile: &Profile) -> String {
    format!("{} {}", profile.kind, profile.name)
}

/// Where a plugin lies is no part of what it is.
fn entry(mut profile: Profile) -> (String, Profile) {
    if !profile.is_built_in() {
        profile.origin = "plugin".into();
    }
    (key(&profile), profile)
}
