//! What the inner side of a virtual machine is told, and where things are in the machine.
use super::Kept;
use osbuild_wasm_protocol::TrustedValue;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

/// The store of the outer side, for reading.
pub(super) const STORE: &str = "/run/osbuild-vm/store";
/// The job with the programs, for reading.
pub(super) const JOB: &str = "/run/osbuild-vm/job";
/// Takes the trees that go out.
pub(super) const OUT: &str = "/run/osbuild-vm/out";
/// The machine's own disk.
pub(super) const DISK: &str = "/run/osbuild-vm/disk";
/// Has `lib/modules` of a kernel that is not this machine's.
pub(super) const MODULES: &str = "/run/osbuild-vm/modules";

/// Names in the directory of the job.
pub(super) const FILE: &str = "job.json";
pub(super) const PROGRAM: &str = "bin/osbuild-wasm";
pub(super) const HELPER: &str = "bin/osbuild-wasm-helper";
pub(super) const COMPILED: &str = "lib/osbuild-wasm/compiled";
pub(super) const COMPONENTS: &str = "components";
pub(super) const CONFIGURATION: &str = "etc";

/// One pipeline to build.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct MachineJob {
    /// The manifest as a JSON document.
    pub(super) document: String,
    /// How the user calls it.
    pub(super) name: String,
    /// The policy and how messages name it.
    pub(super) policy: Option<(String, String)>,
    /// Id of the pipeline.
    pub(super) pipeline: String,
    /// Finished trees that it needs, by the id of their pipeline; paths are below the store.
    pub(super) trees: BTreeMap<String, SharedTree>,
    /// What it goes on from, below the store.
    pub(super) tree: PathBuf,
    /// Its attributes that do not come through a share.
    pub(super) attributes: Vec<TrustedValue>,
    /// Number of its stages that are in that.
    pub(super) done: usize,
    /// When the building of it began, in seconds since 1970.
    pub(super) created: i64,
    /// What its trees may have to be made outside.
    pub(super) kept: Option<Kept>,
    /// Ids of the stages whose result goes out, beside that of the last one.
    pub(super) checkpoints: BTreeSet<String>,
    /// What its stages do is recorded.
    pub(super) recorded: bool,
    /// Time limit of each stage.
    pub(super) stage_timeout: Option<Duration>,
}

/// A finished tree of another pipeline.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SharedTree {
    pub(super) path: PathBuf,
    /// Its attributes that do not come through a share, if a stage reads it.
    pub(super) attributes: Vec<TrustedValue>,
    /// What the stages reported, by stage id.
    pub(super) metadata: serde_json::Value,
}
