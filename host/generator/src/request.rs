//! What a manifest is asked for.
use crate::content::Repository;
use crate::customizations::nodes::LocalFiles;
use crate::pipelines::bootc::info::ContainerInfo;
use osbuild_wasm_blueprint::Blueprint;
use osbuild_wasm_blueprint::model::Kernel;
use osbuild_wasm_distro::{Arch, Distro, ImageType, Kind, PartitioningMode};
use serde::{Deserialize, Serialize};

/// Values of a request that are no part of a blueprint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Size of the disk in bytes; 0: the type's.
    pub size: u64,
    /// How the disk is divided; absent: as the blueprint says, or the default.
    #[serde(rename = "partitioning-mode")]
    pub partitioning_mode: Option<PartitioningMode>,
    /// The commit to make, or to deploy.
    pub ostree: Option<OstreeOptions>,
    /// How a bootable container becomes a disk or a medium.
    pub bootc: Option<BootcOptions>,
    /// Registration of the system with Red Hat.
    pub subscription: Option<Subscription>,
    /// What is noted in the system about who built it.
    pub facts: Option<Facts>,
    /// Start the build root from a container.
    pub use_bootstrap_container: bool,
    /// Whether the distribution counts as not released; absent: as its definition says.
    pub preview: Option<bool>,
}

/// The commit to make, or to deploy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct OstreeOptions {
    /// Ref; empty: the type's.
    #[serde(rename = "ref")]
    pub reference: String,
    /// Ref or checksum of the parent.
    pub parent: String,
    /// Repository.
    pub url: String,
    /// Repository of the content, where it is another.
    pub contenturl: String,
    /// Whether the repository needs a subscription of RHSM.
    pub rhsm: bool,
}

/// How a bootable container becomes a disk or a medium.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct BootcOptions {
    /// Container that a medium installs.
    pub installer_payload_ref: String,
    /// Leave the usual arguments of the kernel out.
    pub omit_default_kernel_args: bool,
    /// Fetch the container from its registry, not from this machine's storage.
    pub use_remote_container_source: bool,
}

/// Registration of the system with Red Hat.
#[derive(Clone, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Subscription {
    /// Organization.
    pub organization: String,
    /// Activation key.
    pub activation_key: String,
    /// Server of the subscription manager.
    pub server_url: String,
    /// Address of the content.
    pub base_url: String,
    /// Register with Insights.
    pub insights: bool,
    /// Register by rhc.
    pub rhc: bool,
    /// Proxy.
    pub proxy: String,
    /// Content templates.
    pub template_uuid: String,
    /// Name of the content template.
    pub template_name: String,
    /// Address of the patch service.
    pub patch_url: String,
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The activation key is a secret.
        f.debug_struct("Subscription")
            .field("organization", &self.organization)
            .finish_non_exhaustive()
    }
}

/// What is noted in the system about who built it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Facts {
    /// Interface by which the image was asked for.
    pub api_type: String,
}

/// What a manifest is asked for: everything it depends on but the content of the network.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Distribution.
    pub distro: &'a Distro,
    /// Architecture.
    pub arch: Arch,
    /// Type of the image.
    pub image_type: &'a ImageType,
    /// Blueprint.
    pub blueprint: &'a Blueprint,
    /// Values beside the blueprint.
    pub options: &'a Options,
    /// Repositories, those for other types left out.
    pub repositories: &'a [Repository],
    /// Files of this machine that the blueprint names.
    pub local_files: &'a LocalFiles,
    /// Facts about the container that becomes a disk or a medium.
    pub bootc: Option<&'a ContainerInfo>,
    /// Facts about the container that is its build root, where it is another.
    pub bootc_build: Option<&'a ContainerInfo>,
    /// Where identifiers come from.
    pub seed: i64,
}

impl<'a> Request<'a> {
    /// Package of the kernel of the system, if it has one.
    pub fn kernel_name(&self) -> Option<&'a str> {
        let commit = [
            Kind::OstreeCommit,
            Kind::OstreeContainer,
            Kind::BootableContainer,
        ];
        if !self.image_type.bootable && !commit.contains(&self.image_type.kind) {
            return None;
        }
        let wished = self.blueprint.customizations.kernel.as_ref();
        let wished = wished.and_then(|kernel| kernel.name.as_deref());
        let usual = self.image_type.image_config.default_kernel.as_deref();
        wished
            .filter(|name| !name.is_empty())
            .or(usual)
            .or(Some(Kernel::DEFAULT))
    }

    /// Repositories for a pipeline or package set of that name: those that name it, and those that name none.
    pub fn repositories_of(&self, set: &str) -> Vec<Repository> {
        let serves = |repository: &&Repository| {
            repository.package_sets.is_empty()
                || repository.package_sets.iter().any(|name| name == set)
        };
        self.repositories.iter().filter(serves).cloned().collect()
    }
}
