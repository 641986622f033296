//! Plans: what every module of a manifest would get, before anything runs.
use crate::grant::{Limits, ProgramLimits};
use crate::interface::Interface;
use crate::mounts::MountNames;
use crate::places::Places;
use crate::policy::Decision;
use crate::profile::Profile;
use crate::told::Told;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::time::Duration;

/// A plan, as `osbuild-wasm plan --format json` prints it; schemas/plan.json.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Always [`Plan::TYPE`].
    #[serde(rename = "type")]
    pub kind: String,
    /// Version of this format: 1.
    pub version: u64,
    /// Version of the contract that this program offers.
    pub contract: String,
    /// How the user calls the manifest.
    pub manifest: String,
    /// How the user calls the policy; none: everything that is asked for is granted.
    pub policy: Option<String>,
    /// How disks come to be, `loop` or `none`; none where the plan was not asked for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub devices: Option<String>,
    /// What is fetched before the first stage.
    pub sources: Vec<Planned>,
    /// What is built, dependencies first.
    pub pipelines: Vec<PlannedPipeline>,
}

/// A pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedPipeline {
    /// Its name.
    pub name: String,
    /// The id of its last stage; none when it has no stages.
    pub id: Option<String>,
    /// The pipeline whose tree the programs of its stages come from; none: they come from this machine.
    pub build: Option<String>,
    /// What prepares the build root.
    pub runner: String,
    /// Programs of the build root that the runner runs, which see nothing of a stage.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runner_programs: Vec<String>,
    /// What its stages see as the time, in seconds since 1970.
    pub source_epoch: Option<i64>,
    /// Where its stages run when that is not this machine itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub virtual_machine: Option<VirtualMachine>,
    /// Its stages.
    pub stages: Vec<Planned>,
}

/// A virtual machine that is booted for one pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VirtualMachine {
    /// Which kernel it boots, in words; a build root that is not built yet may bring its own.
    pub kernel: String,
    /// Which initial RAM disk, in words.
    pub initrd: String,
    /// Bytes of memory.
    pub memory: u64,
    /// Why it cannot be booted here.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub lacks: String,
}

/// A stage, assembler or source with what it asks for and what it gets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// What is asked for.
    #[serde(flatten)]
    pub ask: Ask,
    /// What is granted.
    pub decision: Decision,
    /// Why it cannot run on this machine, when that was asked for; a run is refused before its first stage.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub lacks: String,
}

/// What a module asks for at one place of a manifest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ask {
    /// JSON path in the manifest.
    pub place: String,
    /// Id of the stage or source.
    pub id: String,
    /// The module with its rights, the options filled in.
    pub module: Profile,
    /// What it reads beside its tree.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<Part>,
    /// Device nodes that it gets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<Part>,
    /// File systems that are mounted while it runs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<Part>,
    /// Hosts (with port) that it reaches; `*` stands for those that a list of mirrors names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// Proxies (with port) of the caller's environment through which these are asked; of the machine, not of the manifest.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub proxies: Vec<String>,
    /// Files of this machine that it reads, as patterns of absolute paths; `containers-storage` is the machine's container storage.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// What decides where contents come from and who vouches for them, beside the hosts, e.g. `image.tls-verify: false`.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub settings: BTreeSet<String>,
    /// SHA-256 of all options: of the stage, its inputs, devices and mounts.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub configuration: String,
    /// These options by their paths, e.g. `options.hostname` or `devices.disk.options.start`; `inputs.NAME.references[]` and
    /// `items[]` are the contents of an input and of a source.
    #[serde(skip_serializing_if = "Told::is_empty")]
    pub told: Told,
    /// The options of the stage, which rights of a policy may refer to.
    #[serde(skip)]
    pub options: serde_json::Value,
    /// The names of its mounts, which paths of rights go by.
    #[serde(skip)]
    pub mount_names: MountNames,
    /// Programs and what is read of the build root are those of this machine, because there is no build pipeline.
    #[serde(skip)]
    pub on_this_machine: bool,
}

/// An input, device or mount of a stage.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Name within the stage.
    pub name: String,
    /// Module name.
    pub module: String,
    /// What it is made of, e.g. `disk.img from sector 2048`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub of: String,
    /// What stands for it where there are no loop devices, when that was asked for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub by: String,
    /// Programs that helpers may run for it of their own accord.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub programs: Vec<String>,
}

/// The bounds of a run in JSON.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounds {
    /// Bytes of memory: stack, instances, linear memories and tables.
    pub memory: u64,
    /// Bytes of log.
    pub log_bytes: u64,
    /// Bytes written by the component, and by the host for it.
    pub written_bytes: u64,
    /// Inodes made in the same ways.
    pub created_inodes: u64,
    /// Wall-clock time; none: unlimited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u64>,
    /// Those of the above that hold for programs too, all of them together; the others do not.
    #[serde(default)]
    pub programs: ProgramLimits,
}

impl From<&Limits> for Bounds {
    fn from(limits: &Limits) -> Self {
        Self {
            memory: limits.memory as u64,
            log_bytes: limits.output,
            written_bytes: limits.written_bytes,
            created_inodes: limits.created_inodes,
            seconds: limits.time.map(|time| time.as_secs().max(1)),
            programs: limits.programs,
        }
    }
}

impl From<Bounds> for Limits {
    fn from(bounds: Bounds) -> Self {
        Self {
            memory: usize::try_from(bounds.memory).unwrap_or(usize::MAX),
            output: bounds.log_bytes,
            written_bytes: bounds.written_bytes,
            created_inodes: bounds.created_inodes,
            time: bounds.seconds.map(Duration::from_secs),
            programs: bounds.programs,
        }
    }
}

impl Planned {
    /// What its programs may touch whatever the rights of the component are, a line for each place; nothing where it runs none.
    pub fn touched_by_programs(&self) -> Vec<String> {
        let decision = &self.decision;
        if decision.programs.is_empty() && decision.privileged_programs.is_empty() {
            return Vec::new();
        }
        let has = |interface| decision.interfaces.contains(&interface);
        let mut lines = match has(Interface::Command) || has(Interface::Rpm) {
            true => self.places_of_programs().shown(|kind| self.is_given(kind)),
            false => Vec::new(),
        };
        if has(Interface::QemuImg) {
            lines.push("files that a call names, within the rights of the component".into());
        }
        if lines.is_empty() {
            lines.push("nothing that the stage is given".into());
        }
        lines
            .iter()
            .map(|line| format!("programs: {line}"))
            .collect()
    }

    /// Where programs read and write that `command` and `rpm` run.
    pub fn places_of_programs(&self) -> Places {
        let places = self.decision.programs_touch.clone();
        places.unwrap_or_else(Places::everything)
    }

    /// Whether the stage has something of a kind: of the manifest, or by an interface of its component.
    fn is_given(&self, kind: &str) -> bool {
        let has = |interface| self.decision.interfaces.contains(&interface);
        match kind {
            "input://" => !self.ask.inputs.is_empty(),
            "mount://" => !self.ask.mounts.is_empty() || has(Interface::Mount),
            "device://" => !self.ask.devices.is_empty() || has(Interface::Loopback),
            _ => true,
        }
    }
}

impl Plan {
    /// What `type` says.
    pub const TYPE: &'static str = "osbuild-wasm plan";

    /// Sources and stages, in the order in which they come about.
    pub fn all(&self) -> impl Iterator<Item = &Planned> {
        let stages = self.pipelines.iter().flat_map(|pipeline| &pipeline.stages);
        self.sources.iter().chain(stages)
    }

    /// Whether nothing is known that keeps a stage from running on this machine.
    pub fn is_possible(&self) -> bool {
        let machines = self.pipelines.iter();
        let mut machines = machines.filter_map(|pipeline| pipeline.virtual_machine.as_ref());
        machines.all(|machine| machine.lacks.is_empty())
            && self.all().all(|planned| planned.lacks.is_empty())
    }

    /// Whether everything may run.
    pub fn granted(&self) -> bool {
        self.all().all(|planned| planned.decision.granted())
    }
}
