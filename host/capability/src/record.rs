//! The record of a run: what each stage really did. `schemas/record.json` describes the document.
//!
//! Paths are written as in rights: those of the tree as they are (`/etc/passwd`), others with a scheme (`input://`, `mount://`, ...).
use crate::mounts::MountNames;
use crate::rights::{Right, Verb};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The value of `format` in documents of this form.
pub const RECORD_FORMAT: &str = "osbuild-wasm-record-1";

/// One run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Always [`RECORD_FORMAT`].
    pub format: String,
    /// Version of the program.
    pub version: String,
    /// What was built.
    pub manifest: ManifestRecord,
    /// When the run began: RFC 3339, UTC.
    pub started: String,
    /// Seconds from there to its end.
    pub duration: f64,
    /// Whether everything succeeded.
    pub success: bool,
    /// Why it did not, in one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Whom was asked what packages, images and commits the manifest should have, where that was part of the command.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lookups: Vec<LookupRecord>,
    /// In the order of the manifest.
    pub sources: Vec<SourceRecord>,
    /// Those that were built or found in the store, in the order of the manifest.
    pub pipelines: Vec<PipelineRecord>,
}

/// The manifest of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestRecord {
    /// As it was named on the command line.
    pub name: String,
    /// SHA-256 of the document as it was read.
    pub sha256: String,
}

/// Questions to servers before there was a manifest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LookupRecord {
    /// Full name of the source that fetches what was found.
    pub module: String,
    /// Hosts (with port) that were asked, proxies and those that servers led to included.
    pub hosts: Vec<String>,
}

/// One source.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceRecord {
    /// Full module name.
    pub module: String,
    /// Id of the source.
    pub id: String,
    /// Whether all its items are there.
    pub success: bool,
    /// Seconds.
    pub duration: f64,
    /// Hosts that its items name.
    pub hosts: Vec<String>,
    /// Proxies of the caller's environment through which what the store lacked was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub proxies: Vec<String>,
    /// Its items.
    pub items: Vec<SourceItemRecord>,
}

/// One item of a source.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceItemRecord {
    /// Its key: the digest.
    pub digest: String,
    /// The host it comes from, if the manifest names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// It was in the store before.
    pub cached: bool,
    /// Why it is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// One pipeline.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PipelineRecord {
    /// Name.
    pub name: String,
    /// Id; none when it has no stages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The store had it, so nothing ran.
    pub cached: bool,
    /// Its stages ran in a virtual machine, which is also who says what they did.
    #[serde(default, skip_serializing_if = "is_false")]
    pub in_virtual_machine: bool,
    /// The stages that ran now, in order.
    pub stages: Vec<StageRecord>,
}

fn is_false(is: &bool) -> bool {
    !is
}

/// One stage or assembler.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageRecord {
    /// Full module name.
    pub module: String,
    /// Id of the stage.
    pub id: String,
    /// The component that ran; none when it never got so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<ComponentRecord>,
    /// What it was allowed.
    pub granted: GrantRecord,
    /// Seconds from the begin of the run to that of the stage.
    pub started: f64,
    /// Seconds that the stage took.
    pub duration: f64,
    /// Whether it succeeded.
    pub success: bool,
    /// Why it did not, in one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Limits that it reached, as messages.
    pub limits: Vec<String>,
    /// What it did to which paths, in their order.
    pub accesses: Vec<AccessRecord>,
    /// What it was allowed to do and tried without effect, e.g. to remove what is not there. No part of the document: it did not happen.
    #[serde(skip)]
    pub tried: Vec<AccessRecord>,
    /// Regular files that it, its helpers or its programs made or changed and that were there at its end.
    pub written: Vec<WrittenRecord>,
    /// What became of other objects and of owners, modes and attributes, when it could run programs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<ChangeRecord>,
    /// The devices that were written to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<DeviceRecord>,
    /// Calls of privileged interfaces but `command`, in order.
    pub calls: Vec<CallRecord>,
    /// Programs that it ran, in order.
    pub programs: Vec<ProgramRecord>,
    /// Programs that helpers ran for it of their own accord: to prepare its build root, for its devices and mounts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub helper_programs: Vec<HelperProgramRecord>,
    /// What was refused.
    pub denials: Vec<DenialRecord>,
    /// What it was allowed and did not use.
    pub unused: UnusedRecord,
    /// Bytes of log.
    pub log_bytes: u64,
}

/// A component.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComponentRecord {
    /// SHA-256 of its bytes.
    pub sha256: String,
    /// `built in`, or the file.
    pub origin: String,
}

/// What a stage was allowed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantRecord {
    /// Interfaces of the contract.
    pub interfaces: Vec<String>,
    /// Layers that must all allow what is done; none: everything in the directories.
    pub rights: Vec<LayerRecord>,
    /// Programs that `command` may run.
    pub programs: Vec<String>,
    /// Linux capabilities of its programs beyond the usual ones.
    pub capabilities: Vec<String>,
    /// Directories and devices.
    pub directories: Vec<DirectoryRecord>,
}

/// One layer of rights.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerRecord {
    /// Whose: a plural, as messages use it.
    pub origin: String,
    /// What it allows.
    pub rights: Vec<Right>,
}

/// A granted directory or device.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DirectoryRecord {
    /// Its path.
    pub path: String,
    /// Not for reading only.
    pub writable: bool,
}

/// What was done to one path.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessRecord {
    /// Where the object really is.
    pub path: String,
    /// How often each verb was done.
    pub verbs: BTreeMap<Verb, u64>,
    /// Verbs that were also done to all that is below it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub below: BTreeSet<Verb>,
}

/// A file as a stage left it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenRecord {
    /// Where it is.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of the content; none for a disk image that is still mostly holes, whose zeros would take long to hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// A call of a privileged interface.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallRecord {
    /// Interface, e.g. `loopback`.
    pub interface: String,
    /// Function, e.g. `attach`.
    pub call: String,
    /// What it was called with; of bytes only how many there were.
    pub arguments: Value,
    /// The program that it started; several where distributions have different names for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub programs: Vec<String>,
    /// Seconds.
    pub duration: f64,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A program that ran.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProgramRecord {
    /// As the stage named it.
    pub program: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Variables that the stage gave it, beside those that every program has.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// It ran with the tree as its root, not in the build root.
    pub in_tree: bool,
    /// Exit status; none when it did not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<i32>,
    /// Why it did not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Seconds.
    pub duration: f64,
}

/// Whether a program with that name or path was started, by `command` or by a call of another interface.
pub fn ran(program: &str, programs: &[ProgramRecord], calls: &[CallRecord]) -> bool {
    let base = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let started = programs.iter().filter(|run| run.error.is_none());
    let by_calls = calls.iter().flat_map(|call| &call.programs);
    let mut all = started.map(|run| &run.program).chain(by_calls);
    all.any(|name| base(name) == base(program))
}

/// A program that a helper ran of its own accord.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HelperProgramRecord {
    /// Why: `runner`, or the interface of the helper, e.g. `mount`.
    pub by: String,
    /// Its name.
    pub program: String,
    /// Its arguments; of many the first ones and how many follow.
    pub arguments: Vec<String>,
    /// Exit status; none when it did not end by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<i32>,
}

impl StageRecord {
    /// Whether a program with that name or path was started.
    pub fn ran(&self, program: &str) -> bool {
        ran(program, &self.programs, &self.calls)
    }

    /// Calls places on mounts as manifests and plans do, `mount://NAME/usr`, instead of by where they are mounted.
    pub fn name_mounts(&mut self, mounts: &MountNames) {
        let accesses = self.accesses.iter_mut().map(|of| &mut of.path);
        let tried = self.tried.iter_mut().map(|of| &mut of.path);
        let written = self.written.iter_mut().map(|of| &mut of.path);
        let changes = self.changes.iter_mut().map(|of| &mut of.path);
        for path in accesses.chain(tried).chain(written).chain(changes) {
            *path = mounts.named(path);
        }
    }

    /// How many programs were started, by `command` and by calls of other interfaces.
    pub fn programs_started(&self) -> usize {
        let runs = self.programs.iter().filter(|run| run.error.is_none());
        let calls = self.calls.iter().filter(|call| !call.programs.is_empty());
        runs.count() + calls.count()
    }
}

/// What became of an object while a stage ran that could run programs. Contents are among the files written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeRecord {
    /// Where it is, or was.
    pub path: String,
    /// As it was before; none: it was not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<ObjectRecord>,
    /// As it was at the end; none: it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<ObjectRecord>,
}

/// An object of a file system without its content.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectRecord {
    /// `file`, `directory`, `link`, `character-device`, `block-device`, `fifo` or `socket`.
    pub kind: String,
    /// Permission bits with set-id and sticky bits, octal, e.g. `4755`.
    pub mode: String,
    /// Owner and group as numbers, e.g. `0:0`.
    pub owner: String,
    /// Text of a link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Major and minor number of a device node, e.g. `1:5`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Extended attributes; values in hex, long ones as `sha256:` and their digest.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub xattrs: BTreeMap<String, String>,
}

/// A block device that a stage wrote to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceRecord {
    /// Its path.
    pub path: String,
    /// Bytes that reached the device while the stage ran.
    pub written: u64,
}

/// Something that was refused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DenialRecord {
    /// As it was asked for.
    pub path: String,
    /// Who refused it, and why.
    pub message: String,
    /// How often.
    pub count: u64,
}

/// What was allowed and not used.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnusedRecord {
    /// Verbs that no access needed, on the patterns that allow them; `/**` when nothing was narrowed.
    pub rights: Vec<Right>,
    /// Interfaces never called.
    pub interfaces: Vec<String>,
    /// Programs never run.
    pub programs: Vec<String>,
}
