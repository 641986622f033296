//! The tree of a container that serves a commit over HTTP.
use super::OstreeCommit;
use crate::GeneratorError;
use crate::content::{Content, ResolvedContent, Transaction};
use crate::manifest::Stage;
use crate::pipelines::Pipeline;
use crate::pipelines::container::Process;
use crate::pipelines::rpm::{RpmOptions, rpm_stages};
use crate::request::Request;
use crate::sources::Sources;
use serde_json::json;

const DOCUMENTS: &str = "/usr/share/nginx/html";
const REPOSITORY: &str = "/usr/share/nginx/html/repo";
const SERVER_CONFIG: &str = "/etc/nginx.conf";
const PORT: &str = "8080";

/// A tree with a server, its configuration, and the commit of the pipeline `ostree-commit`.
#[derive(Clone, Debug)]
pub struct ContainerTree<'a> {
    /// What is asked for.
    pub request: Request<'a>,
    /// Ref of the commit.
    pub reference: String,
}

impl ContainerTree<'_> {
    /// Name of the pipeline.
    pub const NAME: &'static str = "container-tree";

    /// What runs in the container.
    pub fn process() -> Process {
        Process {
            command: ["nginx", "-c", SERVER_CONFIG].map(String::from).to_vec(),
            ports: vec![PORT.into()],
        }
    }
}

impl Pipeline for ContainerTree<'_> {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn content(&self) -> Content {
        let packages = self
            .request
            .image_type
            .package_sets
            .get("container")
            .cloned()
            .unwrap_or_default();
        Content {
            transactions: vec![Transaction {
                include: packages.include,
                exclude: packages.exclude,
                repositories: self.request.repositories_of(Self::NAME),
                install_weak_deps: true,
                ..Transaction::default()
            }],
            ..Content::default()
        }
    }

    fn stages(
        &self,
        resolved: &ResolvedContent,
        sources: &mut Sources,
    ) -> Result<Vec<Stage>, GeneratorError> {
        sources.add_packages(&resolved.packages);
        let config = &self.request.image_type.image_config;
        let options = RpmOptions {
            rpmkeys_path: config.rpmkeys_path.clone(),
            ..RpmOptions::default()
        };
        let mut stages = rpm_stages(Self::NAME, &resolved.packages, &options)?;
        if let Some(language) = &config.locale {
            stages.push(Stage::new("locale", json!({"language": language})));
        }
        stages.push(Stage::new("ostree.init", json!({"path": REPOSITORY})));
        stages.push(
            Stage::new("ostree.pull", json!({"repo": REPOSITORY}))
                .input("commits", OstreeCommit::as_input(&self.reference)),
        );
        // A container of a cluster runs as a user that is not known before.
        for path in ["/var/log/nginx", "/var/lib/nginx"] {
            stages.push(Stage::new(
                "chmod",
                json!({"items": {path: {"mode": "a+rwX", "recursive": true}}}),
            ));
        }
        stages.push(Stage::new(
            "nginx.conf",
            json!({
                "path": SERVER_CONFIG,
                "config": {"listen": PORT, "root": DOCUMENTS, "pid": "/tmp/nginx.pid", "daemon": false},
            }),
        ));
        Ok(stages)
    }
}
