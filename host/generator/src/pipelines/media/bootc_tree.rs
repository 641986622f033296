//! The tree of a bootable container as the system of a live medium.
use super::SystemSource;
use crate::GeneratorError;
use crate::content::{ContainerRequest, Content, ResolvedContent};
use crate::manifest::{Stage, source_container};
use crate::pipelines::Pipeline;
use crate::sources::Sources;
use serde_json::json;

/// The tree of a container, and the container that it may install in its storage.
#[derive(Clone, Debug)]
pub struct BootcTree {
    /// The system.
    pub container: ContainerRequest,
    /// What it may install.
    pub payload: Option<ContainerRequest>,
}

impl Pipeline for BootcTree {
    fn name(&self) -> &str {
        "os-tree"
    }

    fn build_packages(&self) -> Vec<String> {
        vec!["skopeo".into()]
    }

    fn content(&self) -> Content {
        let mut containers = vec![self.container.clone()];
        containers.extend(self.payload.clone());
        Content {
            containers,
            ..Content::default()
        }
    }

    fn stages(
        &self,
        resolved: &ResolvedContent,
        sources: &mut Sources,
    ) -> Result<Vec<Stage>, GeneratorError> {
        let system = SystemSource::Container(self.container.clone());
        let mut stages = system.stages(self.name(), resolved, sources)?;
        if self.payload.is_none() {
            return Ok(stages);
        }
        let payload = resolved
            .containers
            .get(1)
            .ok_or_else(|| GeneratorError::Unresolved {
                pipeline: self.name().into(),
                missing: "the container to install".into(),
            })?;
        sources.add_container(payload);
        let options = json!({"destination": {"type": "containers-storage"}});
        let mut stage = Stage::new("skopeo", options).input("images", source_container(payload));
        if !payload.local && !payload.list_digest.is_empty() {
            stage = stage.input(
                "manifest-lists",
                json!({
                    "type": "org.osbuild.files",
                    "origin": "org.osbuild.source",
                    "references": [payload.list_digest],
                }),
            );
        }
        stages.push(stage);
        Ok(stages)
    }
}
