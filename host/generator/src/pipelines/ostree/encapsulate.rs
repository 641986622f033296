//! A container made of a commit: the layers hold the commit, so that a machine can boot from it.
use super::OstreeCommit;
use crate::GeneratorError;
use crate::content::ResolvedContent;
use crate::manifest::Stage;
use crate::pipelines::Pipeline;
use crate::sources::Sources;
use serde_json::json;

/// Makes an archive of a container of the commit in the pipeline `ostree-commit`.
#[derive(Clone, Debug)]
pub struct OstreeEncapsulate<'a> {
    /// Ref of the commit.
    pub reference: String,
    /// File that comes out.
    pub filename: &'a str,
}

impl Pipeline for OstreeEncapsulate<'_> {
    fn name(&self) -> &str {
        "ostree-encapsulate"
    }

    fn build_packages(&self) -> Vec<String> {
        vec!["rpm-ostree".into()]
    }

    fn stages(&self, _: &ResolvedContent, _: &mut Sources) -> Result<Vec<Stage>, GeneratorError> {
        let stage = Stage::new("ostree.encapsulate", json!({"filename": self.filename}));
        Ok(vec![
            stage.input("commit", OstreeCommit::as_input(&self.reference)),
        ])
    }
}
