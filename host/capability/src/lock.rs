//! Lock files: what a manifest uses, pinned.
use crate::interface::VERSION;
use crate::plan::{Plan, Planned};
use crate::profile::Profile;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A lock file; schemas/lock.json.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// Always [`Lock::TYPE`].
    #[serde(rename = "type")]
    pub kind: String,
    /// Version of this format: 1.
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
    /// The hosts that programs of stages reach, by module.
    pub networks: BTreeMap<String, BTreeSet<String>>,
}

impl Lock {
    /// What `type` says.
    pub const TYPE: &'static str = "osbuild-wasm lock";

    /// Pins what a plan uses; `profiles` are the components as they are, without the options of a stage filled in.
    pub fn of(plan: &Plan, profiles: impl IntoIterator<Item = Profile>) -> Self {
        let mut lock = Self {
            kind: Self::TYPE.into(),
            version: 1,
            contract: VERSION.to_string(),
            components: profiles.into_iter().map(entry).collect(),
            inputs: BTreeSet::new(),
            devices: BTreeSet::new(),
            mounts: BTreeSet::new(),
            sources: BTreeMap::new(),
            networks: BTreeMap::new(),
        };
        for planned in &plan.sources {
            add_hosts(&mut lock.sources, planned);
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
                add_hosts(&mut lock.networks, planned);
            }
        }
        lock
    }
}

fn add_hosts(to: &mut BTreeMap<String, BTreeSet<String>>, planned: &Planned) {
    let hosts = to.entry(planned.ask.module.name.clone()).or_default();
    hosts.extend(planned.ask.hosts.iter().cloned());
    hosts.extend(planned.ask.files.iter().map(|file| format!("file:{file}")));
}

/// Where a plugin lies is no part of what it is.
fn entry(mut profile: Profile) -> (String, Profile) {
    let key = format!("{} {}", profile.kind, profile.name);
    if !profile.is_built_in() {
        profile.origin = "plugin".into();
    }
    (key, profile)
}
