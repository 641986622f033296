//! The tree of a container, as a build root or as what a build root takes parts of.
use super::container;
use super::info::ContainerInfo;
use crate::GeneratorError;
use crate::content::{Content, ResolvedContent};
use crate::manifest::{Stage, pipeline_tree, source_container};
use crate::pipelines::{BuildRoot, Pipeline};
use crate::sources::Sources;
use serde_json::{Value, json};

/// Where a container says how it is to be installed, and how its deployments are made.
const INSTALLATION: [&str; 2] = ["/usr/lib/bootc/install", "/usr/lib/ostree"];
/// Programs that work on file systems whose labels the machine does not know: they run as installers do.
const INSTALLERS: [&str; 3] = ["/usr/bin/mount", "/usr/bin/ostree", "/usr/bin/umount"];
/// A runner that asks nothing of the system it runs in.
const RUNNER: &str = "org.osbuild.linux";

/// The tree of a container.
#[derive(Clone, Debug)]
pub struct BuildTree<'a> {
    name: &'static str,
    info: &'a ContainerInfo,
    remote: bool,
    /// Whether there are two trees, and the one takes from the other how to install.
    beside_another: bool,
}

impl<'a> BuildTree<'a> {
    const TARGET: &'static str = "target";

    /// The build root for an image of the container itself.
    pub fn build(info: &'a ContainerInfo, remote: bool) -> Self {
        Self {
            name: "build",
            info,
            remote,
            beside_another: false,
        }
    }

    /// The tree of a container that has another build root.
    pub fn target(info: &'a ContainerInfo, remote: bool) -> Self {
        Self {
            name: Self::TARGET,
            beside_another: true,
            ..Self::build(info, remote)
        }
    }

    /// The build root for an image of the container in the pipeline `target`.
    pub fn build_beside_target(info: &'a ContainerInfo, remote: bool) -> Self {
        Self {
            beside_another: true,
            ..Self::build(info, remote)
        }
    }

    /// Directories that both trees have, so that they can be copied and be copied into.
    fn installation(&self) -> Vec<Stage> {
        if !self.beside_another {
            return Vec::new();
        }
        let path = |path| json!({"path": path, "parents": true, "exist_ok": true});
        let paths: Vec<Value> = INSTALLATION.map(path).to_vec();
        let mkdir = Stage::new("mkdir", json!({"paths": paths}));
        if self.name == Self::TARGET {
            return vec![mkdir];
        }
        let copied = |path| json!({"from": format!("input://copy-tree{path}/"), "to": format!("tree://{path}/")});
        let paths: Vec<Value> = INSTALLATION.map(copied).to_vec();
        let copy = Stage::new("copy", json!({"paths": paths}))
            .input("copy-tree", pipeline_tree(Self::TARGET));
        vec![mkdir, copy]
    }

    fn selinux(&self) -> Stage {
        let label = "system_u:object_r:install_exec_t:s0";
        let labels: serde_json::Map<String, Value> = INSTALLERS
            .into_iter()
            .map(|path| (path.to_string(), label.into()))
            .collect();
        Stage::new(
            "selinux",
            json!({
                "file_contexts": file_contexts(self.info),
                "exclude_paths": ["/sysroot"],
                "labels": labels,
            }),
        )
    }
}

/// Path of the labels that a container's SELinux policy gives.
pub(super) fn file_contexts(info: &ContainerInfo) -> String {
    format!(
        "etc/selinux/{}/contexts/files/file_contexts",
        info.selinux_policy()
    )
}

impl Pipeline for BuildTree<'_> {
    fn name(&self) -> &str {
        self.name
    }

    fn build_root(&self) -> BuildRoot<'_> {
        BuildRoot::Runner(RUNNER)
    }

    fn content(&self) -> Content {
        Content {
            containers: vec![container::request(&self.info.imgref, self.remote)],
            ..Content::default()
        }
    }

    fn stages(
        &self,
        resolved: &ResolvedContent,
        sources: &mut Sources,
    ) -> Result<Vec<Stage>, GeneratorError> {
        let found = container::resolved(self.name, resolved)?;
        sources.add_container(found);
        let deploy = Stage::new("container-deploy", json!({"remove-signatures": true}));
        let mut stages = vec![deploy.input("images", source_container(found))];
        stages.extend(self.installation());
        stages.push(self.selinux());
        Ok(stages)
    }
}
