//! A manifest as the rest of the program sees it: no difference between the document formats, everything resolved, every id known.

mod schedule;

pub use schedule::{contents, schedule};

use crate::json::{Number, Object, Value};
use crate::problem::ValidationError;

/// The document format a manifest came in; it decides the shape of `inspect` and of result documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// One nested `pipeline` (the earliest form counts as this too).
    V1,
    /// An array of named `pipelines`.
    V2,
}

/// A loaded manifest.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// The document format.
    pub version: Version,
    /// The pipelines; each refers only to earlier ones.
    pub pipelines: Vec<Pipeline>,
    /// The sources, in document order.
    pub sources: Vec<Source>,
    /// The `metadata` of a v2 document, passed through.
    pub metadata: Option<Value>,
    /// What was passed over while loading, as osbuild does without a word.
    pub warnings: Vec<ValidationError>,
    /// The `sources` of a v1 document, which `inspect` echoes.
    pub(crate) v1_sources: Option<Object>,
}

impl Manifest {
    /// The index of the pipeline with this name, else of the first one with this id.
    pub fn find(&self, name_or_id: &str) -> Option<usize> {
        let by_name = self
            .pipelines
            .iter()
            .position(|pipeline| pipeline.name == name_or_id);
        by_name.or_else(|| self.find_id(name_or_id))
    }

    /// The index of the first pipeline with this id.
    pub fn find_id(&self, id: &str) -> Option<usize> {
        self.pipelines
            .iter()
            .position(|pipeline| pipeline.id.as_deref() == Some(id))
    }

    /// The pipeline that `find` finds.
    pub fn pipeline(&self, name_or_id: &str) -> Option<&Pipeline> {
        self.pipelines.get(self.find(name_or_id)?)
    }
}

/// A sequence of stages that makes one tree.
#[derive(Clone, Debug)]
pub struct Pipeline {
    /// Its name, unique in the manifest.
    pub name: String,
    /// The id of its last stage; none when it has no stages.
    pub id: Option<String>,
    /// The id of the pipeline whose tree is its build root; none when it builds on the host.
    ///
    /// A v2 document may also say `"build": ""`, which changes the ids but builds on the host: none here.
    pub build: Option<String>,
    /// The runner its stages execute with: the one that belongs to its build root.
    pub runner: Runner,
    /// The runner it declares for those who build in its tree.
    pub declared_runner: Option<Runner>,
    /// Seconds since 1970 that stand for "now" in its tree.
    pub source_epoch: Option<i64>,
    /// Its stages, in order.
    pub stages: Vec<Stage>,
}

/// Stage or assembler: which catalogue its module name belongs to, and whether it may write the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StageClass {
    /// Changes the tree of its pipeline.
    Stage,
    /// Makes an artefact of a finished tree (only v1 documents have these).
    Assembler,
}

/// One step of a pipeline.
#[derive(Clone, Debug)]
pub struct Stage {
    /// The module that runs (for an alias the one it stands for).
    pub module: String,
    /// Which kind of module that is.
    pub class: StageClass,
    /// The id: a digest of the content and of everything before it.
    pub id: String,
    /// The options the module gets, an object (for an alias with its defaults filled in).
    pub options: Value,
    /// Its inputs, in document order.
    pub inputs: Vec<Input>,
    /// Its devices; a parent comes before its children.
    pub devices: Vec<Device>,
    /// Its mounts, in the order of mounting.
    pub mounts: Vec<Mount>,
    /// What the document says, when it names the module by an alias.
    pub alias: Option<Alias>,
}

/// A stage as the document has it, where that differs from what runs.
#[derive(Clone, Debug)]
pub struct Alias {
    /// The module name of the document: ids and reports use it.
    pub name: String,
    /// The options of the document.
    pub options: Value,
}

impl Stage {
    /// The module name as the manifest has it: what reports show.
    pub fn requested_module(&self) -> &str {
        self.alias
            .as_ref()
            .map_or(&self.module, |alias| &alias.name)
    }

    /// The options as the manifest has them: what reports show.
    pub fn requested_options(&self) -> &Value {
        self.alias
            .as_ref()
            .map_or(&self.options, |alias| &alias.options)
    }
}

/// Where the references of an input point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// To items of sources: `org.osbuild.source`.
    Source,
    /// To pipelines: `org.osbuild.pipeline`.
    Pipeline,
}

impl Origin {
    /// The word of the document.
    pub fn as_str(self) -> &'static str {
        match self {
            Origin::Source => "org.osbuild.source",
            Origin::Pipeline => "org.osbuild.pipeline",
        }
    }
}

/// Something a stage reads beside its tree.
#[derive(Clone, Debug)]
pub struct Input {
    /// Name within the stage.
    pub name: String,
    /// Module name.
    pub module: String,
    /// Where the references point.
    pub origin: Origin,
    /// What it refers to, in document order, each once.
    pub references: Vec<Reference>,
    /// Options, an object.
    pub options: Value,
    /// Id.
    pub id: String,
}

/// One reference of an input.
#[derive(Clone, Debug, PartialEq)]
pub struct Reference {
    /// Key of a source's item or id of a pipeline; none for a pipeline without stages.
    pub id: Option<String>,
    /// Options, an object.
    pub options: Value,
}

/// A device node that a stage gets.
#[derive(Clone, Debug)]
pub struct Device {
    /// Name within the stage.
    pub name: String,
    /// Module name.
    pub module: String,
    /// Name of the device it lies on.
    pub parent: Option<String>,
    /// Options, an object.
    pub options: Value,
    /// Id.
    pub id: String,
}

/// A file system that is mounted while a stage runs.
#[derive(Clone, Debug)]
pub struct Mount {
    /// Name within the stage.
    pub name: String,
    /// Module name.
    pub module: String,
    /// Name of the device to mount.
    pub source: Option<String>,
    /// Where, below the stage's directory of mounts.
    pub target: Option<String>,
    /// Which partition of the device; zero counts as none.
    pub partition: Option<Number>,
    /// Options, an object.
    pub options: Value,
    /// Id.
    pub id: String,
}

/// Things to fetch.
#[derive(Clone, Debug)]
pub struct Source {
    /// Module name.
    pub module: String,
    /// Key -> how to get it (an object).
    pub items: Value,
    /// Options, an object.
    pub options: Value,
    /// Id.
    pub id: String,
}

/// What prepares a build root and starts the stage in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Runner {
    /// The name the manifest asks for, e.g. `org.osbuild.fedora40`.
    pub requested: String,
    /// The known runner that serves it, e.g. `org.osbuild.fedora38`.
    pub exec: String,
}
