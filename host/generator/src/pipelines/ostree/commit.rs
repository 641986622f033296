//! A commit of a tree, in a repository of its own.
use crate::GeneratorError;
use crate::content::{CommitRequest, Content, ResolvedContent};
use crate::manifest::{Stage, pipeline_tree};
use crate::pipelines::Pipeline;
use crate::sources::Sources;
use serde_json::{Map, Value, json};

/// Commits the tree of the pipeline `os`.
#[derive(Clone, Debug)]
pub struct OstreeCommit<'a> {
    /// Ref of the commit.
    pub reference: String,
    /// Version that the commit notes.
    pub os_version: &'a str,
    /// The commit before it.
    pub parent: Option<CommitRequest>,
}

impl OstreeCommit<'_> {
    /// Name of the pipeline.
    pub const NAME: &'static str = "ostree-commit";

    /// The commit as input of a stage of another pipeline.
    pub fn as_input(reference: &str) -> Value {
        json!({
            "type": "org.osbuild.ostree",
            "origin": "org.osbuild.pipeline",
            "references": {format!("name:{}", Self::NAME): {"ref": reference}},
        })
    }
}

impl Pipeline for OstreeCommit<'_> {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn build_packages(&self) -> Vec<String> {
        vec!["rpm-ostree".into()]
    }

    fn content(&self) -> Content {
        Content {
            commits: self.parent.iter().cloned().collect(),
            ..Content::default()
        }
    }

    fn stages(
        &self,
        resolved: &ResolvedContent,
        _: &mut Sources,
    ) -> Result<Vec<Stage>, GeneratorError> {
        let mut options = Map::new();
        options.insert("ref".into(), self.reference.clone().into());
        options.insert("os_version".into(), self.os_version.into());
        if let Some(parent) = &self.parent {
            let Some(commit) = resolved.commits.first() else {
                return Err(GeneratorError::Unresolved {
                    pipeline: Self::NAME.into(),
                    missing: format!("the commit {:?}", parent.reference),
                });
            };
            options.insert("parent".into(), commit.checksum.clone().into());
        }
        Ok(vec![
            Stage::new("ostree.init", json!({"path": "/repo"})),
            Stage::new("ostree.commit", options.into()).input("tree", pipeline_tree("os")),
        ])
    }
}
