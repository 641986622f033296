//! The trees that pipelines of a run need of each other.
use crate::failure::{BuildError, Result};
use crate::sandbox::Once;
use osbuild_wasm_manifest::model::Pipeline;
use osbuild_wasm_protocol::BuildRoot;
use osbuild_wasm_store::{Object, Scratch};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A finished tree.
pub(crate) enum Tree {
    /// In the store.
    Stored(Object),
    /// For this run only.
    Floating {
        /// Owns the directory.
        _scratch: Scratch,
        /// The tree.
        path: PathBuf,
        /// What the stages reported, by stage id.
        metadata: serde_json::Value,
    },
    /// Of somebody outside of this machine.
    Shared {
        /// The tree.
        path: PathBuf,
        /// What the stages reported, by stage id.
        metadata: serde_json::Value,
    },
}

/// Finished trees by pipeline id.
pub(crate) struct Trees {
    trees: Mutex<HashMap<String, Tree>>,
    runners: Scratch,
}

impl Trees {
    /// None yet; `runners` takes what runners prepare.
    pub(crate) fn new(runners: Scratch) -> Self {
        Self {
            trees: Mutex::default(),
            runners,
        }
    }

    /// Whether the tree is for this run only.
    pub(crate) fn is_floating(&self, id: &str) -> bool {
        matches!(self.all().get(id), Some(Tree::Floating { .. }))
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, Tree>> {
        self.trees.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn path(&self, id: &str) -> Option<PathBuf> {
        Some(match self.all().get(id)? {
            Tree::Stored(object) => object.tree().to_owned(),
            Tree::Floating { path, .. } | Tree::Shared { path, .. } => path.clone(),
        })
    }

    pub(crate) fn metadata(&self, id: &str) -> Option<serde_json::Value> {
        Some(match self.all().get(id)? {
            Tree::Stored(object) => object.metadata().clone(),
            Tree::Floating { metadata, .. } | Tree::Shared { metadata, .. } => metadata.clone(),
        })
    }

    pub(crate) fn known(&self, pipeline: &Pipeline) -> bool {
        pipeline
            .id
            .as_ref()
            .is_some_and(|id| self.all().contains_key(id))
    }

    pub(crate) fn insert(&self, id: &str, tree: Tree) {
        self.all().insert(id.to_owned(), tree);
    }

    /// Where the programs of a pipeline's stages come from.
    pub(crate) fn build_root(&self, pipeline: &Pipeline) -> Result<BuildRoot<Once>> {
        let Some(id) = pipeline.build.as_deref().filter(|id| !id.is_empty()) else {
            return Ok(BuildRoot::Host);
        };
        let missing = || {
            BuildError::manifest(
                format!("pipeline {}", pipeline.name),
                format!("its build pipeline {id} is not built"),
            )
        };
        let root = self.path(id).ok_or_else(missing)?;
        Ok(BuildRoot::Directory(Once::new(root)))
    }

    /// Where the runner's preparation of one build root is kept during the run.
    pub(crate) fn runner_cache(&self, pipeline: &Pipeline) -> PathBuf {
        let name = pipeline
            .build
            .as_deref()
            .filter(|id| !id.is_empty())
            .unwrap_or("host");
        self.runners
            .path()
            .join(format!("{}-{}", pipeline.runner.exec, name))
    }
}
