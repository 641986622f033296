//! What a run reports: events while it goes on, an outcome at its end.
//!
//! Plain data between the rooms that build and fetch (which produce it) and the room that reports (which renders it): who only reads it
//! needs neither engine nor store.
#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(clippy::disallowed_methods, reason = "tests make their own files")
)]

use osbuild_wasm_manifest::json::{Object, Value};
use osbuild_wasm_manifest::model::Runner;
use std::path::PathBuf;
use std::time::Duration;

/// Receives the events of a run, possibly from several threads.
pub trait Observer: Send + Sync {
    /// Takes note of one event; it should return quickly, because the build waits.
    fn event(&self, event: &Event);
}

/// One thing that happened during a run.
#[derive(Clone, Debug)]
pub enum Event {
    /// The run begins.
    RunStarted {
        /// The manifest as the user named it (`-` for standard input).
        manifest: String,
        /// How many sources will be fetched.
        sources: usize,
        /// Names of the pipelines that will be built, in the order of the schedule.
        pipelines: Vec<String>,
    },
    /// A source begins to be fetched.
    SourceStarted {
        /// Module name.
        module: String,
        /// Id of the source.
        id: String,
    },
    /// How far a source has come.
    SourceProgress {
        /// Module name.
        module: String,
        /// Items that are there.
        items_done: u64,
        /// All items.
        items_total: u64,
        /// Bytes transferred so far.
        bytes_done: u64,
        /// Bytes to transfer, when known.
        bytes_total: Option<u64>,
    },
    /// A source says something.
    SourceLog {
        /// Module name.
        module: String,
        /// Text as it came, with its line ends.
        text: String,
    },
    /// A source is done or has failed.
    SourceFinished(SourceOutcome),
    /// A pipeline begins.
    PipelineStarted {
        /// Name.
        name: String,
        /// Id; none when it has no stages.
        id: Option<String>,
        /// Id of its build pipeline; none when it builds on the host.
        build: Option<String>,
        /// The runner its stages execute with.
        runner: Option<Runner>,
        /// Source epoch, Unix seconds.
        source_epoch: Option<i64>,
        /// How many stages it has.
        stages: usize,
        /// Id of the cached object it continues from.
        resumed: Option<String>,
    },
    /// A stage begins.
    StageStarted {
        /// Name of the pipeline.
        pipeline: String,
        /// Module name, as the manifest has it.
        module: String,
        /// Id of the stage.
        id: String,
        /// Options, as the manifest has them.
        options: Value,
    },
    /// The user gets a shell in a stage's sandbox before the stage runs.
    ShellStarted {
        /// Name of the pipeline.
        pipeline: String,
        /// Module name, as the manifest has it.
        module: String,
        /// Id of the stage.
        id: String,
        /// Contract path of the stage's arguments document.
        arguments: String,
    },
    /// A stage says something.
    StageLog {
        /// Name of the pipeline.
        pipeline: String,
        /// Module name.
        module: String,
        /// Id of the stage.
        id: String,
        /// Text as it came, with its line ends.
        text: String,
    },
    /// The host side of an input, device or mount says something.
    HostLog {
        /// Name of the pipeline.
        pipeline: String,
        /// Who speaks, e.g. `device/disk (org.osbuild.loopback)`.
        origin: String,
        /// Text as it came.
        text: String,
    },
    /// A stage is done or has failed.
    StageFinished(StageOutcome),
    /// A pipeline is done or has failed.
    PipelineFinished {
        /// Name.
        name: String,
        /// Id; none when it has no stages.
        id: Option<String>,
        /// Did it succeed?
        success: bool,
        /// How long it took.
        duration: Duration,
        /// Was it in the store already?
        cached: bool,
    },
    /// An object was kept in the store.
    Checkpoint {
        /// Name of the pipeline.
        pipeline: String,
        /// Id of the stage whose result was kept.
        id: String,
    },
    /// A pipeline was exported.
    Exported {
        /// The pipeline as it was named in the request.
        name: String,
        /// Where it is now.
        path: PathBuf,
    },
    /// What an export consists of, when the run was asked to tell.
    Digested(ExportDigest),
    /// What is installed in the trees that exports are made of, when the run was asked to tell.
    Installed(Inventory),
    /// The run is over.
    RunFinished {
        /// Did everything succeed?
        success: bool,
        /// How long it took.
        duration: Duration,
    },
}

/// What an export consists of, taken from the tree that the pipeline made, before it left the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportDigest {
    /// The export as it was named in the request.
    pub export: String,
    /// SHA-256 of the listing of the tree, lower-case hex; `osbuild-wasm-files` says what the listing is.
    pub tree: String,
    /// The regular files by path in the tree, sorted; empty when the tree has more of them than can be shown one by one.
    pub files: Vec<FileDigest>,
}

/// A regular file of an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileDigest {
    /// Path in the tree.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of the content, lower-case hex.
    pub sha256: String,
}

/// What is installed in the tree of a pipeline.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Name of the pipeline.
    pub pipeline: String,
    /// What the tree says it is.
    pub distribution: Option<Distribution>,
    /// Its packages, sorted by name, version and architecture.
    pub packages: Vec<Package>,
}

/// What the os-release file of a tree says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Distribution {
    /// `ID`, e.g. `fedora`.
    pub id: String,
    /// `VERSION_ID`, e.g. `42`.
    pub version: Option<String>,
    /// `PRETTY_NAME`, for people.
    pub pretty_name: Option<String>,
}

/// An installed RPM package; the fields are rpm's tags of the same names.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the fields are rpm's tags of the same names")]
pub struct Package {
    pub name: String,
    pub version: String,
    pub release: String,
    pub epoch: Option<String>,
    pub arch: Option<String>,
    pub license: Option<String>,
    pub vendor: Option<String>,
    pub source_rpm: Option<String>,
    pub sigmd5: Option<String>,
    pub sha256header: Option<String>,
}

/// How a stage ended.
#[derive(Clone, Debug)]
pub struct StageOutcome {
    /// Name of the pipeline.
    pub pipeline: String,
    /// Module name, as the manifest has it.
    pub module: String,
    /// Id of the stage.
    pub id: String,
    /// Did it succeed?
    pub success: bool,
    /// All it printed.
    pub output: String,
    /// The error it reported, if any.
    pub error: Option<StageError>,
    /// The metadata it reported, if any.
    pub metadata: Option<Value>,
    /// How long it took.
    pub duration: Duration,
}

/// The structured error of a stage.
#[derive(Clone, Debug)]
pub struct StageError {
    /// Kind of error in osbuild's result documents, e.g. `exception`.
    pub kind: String,
    /// One line.
    pub message: String,
    /// More lines: causes, a trace.
    pub details: Option<String>,
}

/// How a source ended.
#[derive(Clone, Debug)]
pub struct SourceOutcome {
    /// Module name.
    pub module: String,
    /// Id of the source.
    pub id: String,
    /// Are all its items there?
    pub success: bool,
    /// One entry per item, in the order of the manifest.
    pub items: Vec<SourceItem>,
    /// All it printed; the cause when it failed.
    pub output: String,
    /// How long it took.
    pub duration: Duration,
}

/// How one item of a source ended.
#[derive(Clone, Debug)]
pub struct SourceItem {
    /// Key of the item, when the module reports it.
    pub checksum: Option<String>,
    /// Was it there before? When the module reports it.
    pub cached: Option<bool>,
    /// Why it is not there.
    pub error: Option<String>,
}

/// How a pipeline ended.
#[derive(Clone, Debug)]
pub struct PipelineOutcome {
    /// Name.
    pub name: String,
    /// Id; none when it has no stages.
    pub id: Option<String>,
    /// Was it in the store already?
    pub cached: bool,
    /// The stages that ran now, in order.
    pub stages: Vec<StageOutcome>,
    /// Stage type -> merged metadata, cached stages included.
    pub metadata: Object,
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct RunOutcome {
    /// Did everything succeed?
    pub success: bool,
    /// The sources, in the order of the manifest.
    pub sources: Vec<SourceOutcome>,
    /// The pipelines that were needed, in the order of building.
    pub pipelines: Vec<PipelineOutcome>,
    /// Why the run failed.
    pub failure: Option<Failure>,
}

/// Why a run failed.
#[derive(Clone, Debug)]
pub enum Failure {
    /// A stage failed.
    Stage(StageOutcome),
    /// A source failed.
    Source(SourceOutcome),
    /// The host could not prepare or carry out something.
    Host {
        /// Where: a pipeline, `pipeline/stage`, an export.
        place: String,
        /// What went wrong, one line.
        message: String,
        /// Causes and a hint.
        details: Option<String>,
    },
}
