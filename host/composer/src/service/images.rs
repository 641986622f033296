//! What the composer needs to know of distributions and packages.
use super::error::Result;
use osbuild_wasm_blueprint::Blueprint;
use osbuild_wasm_blueprint::model::Kernel;
pub use osbuild_wasm_generator::content::Package as Solved;
use osbuild_wasm_generator::content::Repository;
use osbuild_wasm_generator::request::{OstreeOptions, Subscription};
use osbuild_wasm_resolve::jobs::Question;
use osbuild_wasm_tasks::JobError;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::atomic::AtomicBool;
use uuid::Uuid;

/// For which system something is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Distribution, its full name: `fedora-43`.
    pub distro: String,
    /// Architecture: `x86_64`.
    pub arch: String,
}

/// What is to be installed together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// Names, patterns, `@groups`.
    pub packages: Vec<String>,
    /// Streams of modules to enable.
    pub modules: Vec<String>,
}

impl Wish {
    /// What a blueprint installs, its kernel with it.
    #[must_use]
    pub fn of(blueprint: &Blueprint) -> Self {
        let modules = blueprint.enabled_modules.iter();
        let mut wish = Self {
            packages: blueprint.package_specs(),
            modules: modules.map(|module| module.spec()).collect(),
        };
        let kernel = blueprint.customizations.kernel.as_ref();
        let kernel = kernel.and_then(|kernel| kernel.name.clone());
        let kernel = kernel.filter(|name| !name.is_empty());
        wish.packages
            .push(kernel.unwrap_or_else(|| Kernel::DEFAULT.to_owned()));
        wish
    }
}

/// A package as repositories describe it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageInfo {
    /// The package.
    pub package: Solved,
    /// What it is for, in one line.
    pub summary: String,
    /// What it is for, at length.
    pub description: String,
    /// Its home page.
    pub homepage: String,
    /// Its licence.
    pub license: String,
    /// When it was built, in seconds since 1970.
    pub build_time: i64,
}

/// An image that is to be made.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ImageWish {
    /// For which system.
    pub target: Target,
    /// Its type, or an alias of it.
    pub image_type: String,
    /// What it shall be.
    pub blueprint: Blueprint,
    /// Size of the disk in bytes; 0: the type's.
    pub size: u64,
    /// The commit to make, or to deploy.
    pub ostree: Option<OstreeOptions>,
    /// Repositories in place of the distribution's; empty: the distribution's own for the type.
    pub repositories: Vec<Repository>,
    /// Repositories beside these, for the packages of the blueprint only.
    pub payload_repositories: Vec<Repository>,
    /// Registration of the system with Red Hat.
    pub subscription: Option<Subscription>,
    /// By which interface it was asked for: noted in the image.
    pub api: String,
    /// Where identifiers come from.
    pub seed: i64,
}

impl ImageWish {
    /// A wish for a blueprint on a system, with identifiers of its own; everything else is as the type has it.
    #[must_use]
    pub fn new(target: Target, blueprint: Blueprint, api: &'static str) -> Self {
        Self {
            target,
            image_type: String::new(),
            blueprint,
            size: 0,
            ostree: None,
            repositories: Vec::new(),
            payload_repositories: Vec::new(),
            subscription: None,
            api: api.to_owned(),
            seed: Uuid::new_v4().as_u64_pair().0.cast_signed() & i64::MAX,
        }
    }
}

/// What is known of an image before anything is looked up for it.
#[derive(Clone, Debug, Default)]
pub struct Image {
    /// The type's own name.
    pub image_type: String,
    /// The pipeline to export.
    pub export: String,
    /// The file of the export that is the image.
    pub file: String,
    /// Its media type.
    pub mime: String,
    /// How firmware starts it: `hybrid`, `uefi`, `legacy` or `none`.
    pub boot_mode: String,
    /// The pipelines of its manifest.
    pub pipelines: PipelineNames,
    /// What has to be looked up for it, each kind once.
    pub questions: Vec<Question>,
}

/// The pipelines of a manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PipelineNames {
    /// Those that others are built in.
    pub build: Vec<String>,
    /// Those that make the image.
    pub payload: Vec<String>,
}

/// What an image type is, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeFacts {
    /// What comes out, in a few words.
    pub what: String,
    /// The name of the file that comes out.
    pub file: String,
    /// Size of the disk in bytes where a request has none; 0: from its content.
    pub default_size: u64,
    /// How firmware starts it: `hybrid`, `uefi`, `legacy` or `none`.
    pub boot_mode: String,
    /// Whether a request has to name a commit.
    pub needs_commit: bool,
}

/// Distributions and packages. The calls take their time: they read files and ask servers, until `cancel` is true.
pub trait Images: Send + Sync {
    /// The architecture of this machine.
    fn host_arch(&self) -> &str;

    /// The distribution of this machine, if images of it can be made.
    fn host_distro(&self) -> Option<&str>;

    /// The full name of a distribution; `None` if there is none of that name.
    fn distro(&self, name: &str) -> Option<String>;

    /// The distributions that have repositories for an architecture, sorted.
    fn distros(&self, arch: &str) -> Vec<String>;

    /// The image types of a distribution, sorted.
    fn image_types(&self, target: &Target) -> Vec<String>;

    /// The own name of an image type of a distribution, by this name or an alias; `None` if there is none.
    fn image_type(&self, target: &Target, name: &str) -> Option<String>;

    /// The repositories that images of a type are made of, where a request names none.
    ///
    /// # Errors
    /// Their file cannot be read.
    fn repositories_for(&self, target: &Target, image_type: &str) -> Result<Vec<Repository>>;

    /// What an image type is, where that is known.
    fn type_facts(&self, _target: &Target, _image_type: &str) -> Option<TypeFacts> {
        None
    }

    /// The repositories of a distribution, those for certain image types left out.
    ///
    /// # Errors
    /// Their file cannot be read.
    fn repositories(&self, target: &Target) -> Result<Vec<Repository>>;

    /// The packages that fulfil a wish.
    ///
    /// # Errors
    /// It cannot be fulfilled, or a repository cannot be read.
    fn depsolve(
        &self,
        target: &Target,
        repositories: &[Repository],
        wish: &Wish,
        cancel: &AtomicBool,
    ) -> Result<Vec<Solved>>;

    /// The packages whose names match patterns; every package for none.
    ///
    /// # Errors
    /// A repository cannot be read.
    fn search(
        &self,
        target: &Target,
        repositories: &[Repository],
        patterns: &[String],
        cancel: &AtomicBool,
    ) -> Result<Vec<PackageInfo>>;

    /// What is known of an image, and what has to be looked up for it. Nobody is asked.
    ///
    /// # Errors
    /// The type does not exist, or cannot give what is wished for.
    fn image(&self, wish: &ImageWish) -> Result<Image>;

    /// Looks something up: the result of the job that a worker would do.
    fn answer(&self, question: &Question, cancel: &AtomicBool) -> Value;

    /// The manifest of an image, of the results of its lookups, each with its kind.
    ///
    /// # Errors
    /// They are not what has to be known for it.
    fn manifest(
        &self,
        wish: &ImageWish,
        answers: &[(String, Value)],
    ) -> std::result::Result<Value, JobError>;
}
