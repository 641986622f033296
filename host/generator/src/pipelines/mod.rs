//! The pipelines of a manifest, one file a kind.
use crate::GeneratorError;
use crate::content::{Content, ResolvedContent};
use crate::manifest::Stage;
use crate::sources::Sources;
use std::fmt::Debug;

pub mod archive;
pub mod bootc;
pub mod build;
pub mod container;
pub mod formats;
pub mod image;
pub mod media;
pub mod os;
pub mod ostree;
pub mod rpm;

/// What the stages of a pipeline run in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuildRoot<'a> {
    /// The tree of the pipeline of that name.
    Pipeline(&'a str),
    /// The machine itself, by this runner.
    Runner(&'a str),
    /// The machine itself; the manifest names no runner.
    Machine,
}

/// One pipeline: what it needs, and its stages when that is there.
pub trait Pipeline: Debug {
    /// Its name in the manifest.
    fn name(&self) -> &str;

    /// What its stages run in.
    fn build_root(&self) -> BuildRoot<'_> {
        BuildRoot::Pipeline("build")
    }

    /// Packages of the build root that its stages need, in order.
    fn build_packages(&self) -> Vec<String> {
        Vec::new()
    }

    /// What it needs from outside.
    fn content(&self) -> Content {
        Content::default()
    }

    /// Pipeline with the system that its stages work on, by whose packages and commits they know it: itself, or one
    /// before it.
    fn system(&self) -> &str {
        self.name()
    }

    /// Its stages in order.
    ///
    /// # Errors
    /// Content that was asked for is missing, or cannot be used.
    fn stages(
        &self,
        resolved: &ResolvedContent,
        sources: &mut Sources,
    ) -> Result<Vec<Stage>, GeneratorError>;
}
