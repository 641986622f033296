//! What a medium installs.
use crate::GeneratorError;
use crate::content::{CommitRequest, Container, ContainerRequest, Content, ResolvedContent};
use crate::manifest::{Stage, pipeline_tree, source_commit, source_container};
use crate::sources::Sources;
use serde_json::{Value, json};

/// Directory of the medium in an installer.
const MEDIUM: &str = "/run/install/repo";

/// What a medium installs.
#[derive(Clone, Debug)]
pub enum Payload {
    /// The tree of the pipeline `os`.
    Tree,
    /// A commit of OSTree.
    Commit {
        /// Which.
        request: CommitRequest,
        /// Name of the deployment.
        name: String,
        /// Name of the remote in the installed system, or empty.
        remote: String,
    },
    /// A bootable container.
    Container {
        /// Which.
        request: ContainerRequest,
        /// File system of the installed root.
        root_fs: String,
    },
}

impl Payload {
    /// What has to be fetched.
    pub fn content(&self) -> Content {
        match self {
            Self::Tree => Content::default(),
            Self::Commit { request, .. } => Content {
                commits: vec![request.clone()],
                ..Content::default()
            },
            Self::Container { request, .. } => Content {
                containers: vec![request.clone()],
                ..Content::default()
            },
        }
    }

    /// Packages of the build root.
    pub fn build_packages(&self) -> Vec<String> {
        let tool = match self {
            Self::Tree => "tar",
            Self::Commit { .. } => "rpm-ostree",
            Self::Container { .. } => "skopeo",
        };
        vec![tool.into()]
    }

    /// The stages that put it onto the medium.
    ///
    /// # Errors
    /// It is not among the resolved content of that pipeline.
    pub fn on_medium(
        &self,
        pipeline: &str,
        resolved: &ResolvedContent,
        sources: &mut Sources,
    ) -> Result<Vec<Stage>, GeneratorError> {
        match self {
            Self::Tree => Ok(vec![
                Stage::new("tar", json!({"filename": "/liveimg.tar.gz"}))
                    .input("tree", pipeline_tree("os")),
            ]),
            Self::Commit { .. } => {
                commit_repository(json!({"path": "/ostree/repo"}), pipeline, resolved, sources)
            }
            Self::Container { .. } => {
                let container = resolved_container(pipeline, resolved)?;
                sources.add_container(container);
                let options = json!({"destination": {"type": "oci", "path": "/container"}, "remove-signatures": true});
                Ok(vec![
                    Stage::new("mkdir", json!({"paths": [{"path": "/container"}]})),
                    Stage::new("skopeo", options).input("images", source_container(container)),
                ])
            }
        }
    }

    /// The stages that put a commit into the installer's own system. Other payloads cannot lie there.
    ///
    /// # Errors
    /// It is no commit, or not among the resolved content of that pipeline.
    pub fn in_system(
        &self,
        pipeline: &str,
        resolved: &ResolvedContent,
        sources: &mut Sources,
    ) -> Result<Vec<Stage>, GeneratorError> {
        match self {
            Self::Commit { .. } => commit_repository(
                json!({"mode": "bare-user", "path": "/ostree/repo"}),
                pipeline,
                resolved,
                sources,
            ),
            _ => Err(GeneratorError::Request(
                "installer_config.payload_in_system: only a commit of OSTree can lie in the installer's system".into(),
            )),
        }
    }

    /// Its command in a kickstart; `in_system`: it lies in the installer's system, not on the medium.
    pub fn command(&self, in_system: bool) -> (&'static str, Value) {
        let base = if in_system { "" } else { MEDIUM };
        match self {
            Self::Tree => (
                "liveimg",
                json!({"url": format!("file://{base}/liveimg.tar.gz")}),
            ),
            Self::Commit {
                request,
                name,
                remote,
            } => (
                "ostree",
                json!({
                    "osname": name,
                    "remote": remote,
                    "url": format!("file://{base}/ostree/repo"),
                    "ref": request.reference,
                    "gpg": false,
                }),
            ),
            Self::Container { .. } => (
                "ostreecontainer",
                json!({
                    "stateroot": "",
                    "url": format!("{base}/container"),
                    "transport": "oci",
                    "remote": "",
                    "signatureverification": false,
                }),
            ),
        }
    }
}

fn resolved_container<'a>(
    pipeline: &str,
    resolved: &'a ResolvedContent,
) -> Result<&'a Container, GeneratorError> {
    resolved
        .containers
        .first()
        .ok_or_else(|| GeneratorError::Unresolved {
            pipeline: pipeline.into(),
            missing: "the container to install".into(),
        })
}

/// A repository with the commit.
fn commit_repository(
    options: Value,
    pipeline: &str,
    resolved: &ResolvedContent,
    sources: &mut Sources,
) -> Result<Vec<Stage>, GeneratorError> {
    let commit = resolved
        .commits
        .first()
        .ok_or_else(|| GeneratorError::Unresolved {
            pipeline: pipeline.into(),
            missing: "the commit to install".into(),
        })?;
    sources.add_commit(commit);
    Ok(vec![
        Stage::new("ostree.init", options),
        Stage::new("ostree.pull", json!({"repo": "/ostree/repo"})).input(
            "commits",
            source_commit(&commit.checksum, &commit.reference),
        ),
    ])
}
