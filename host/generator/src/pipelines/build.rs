//! The build root: what the stages of the other pipelines run in.
use super::rpm::{RpmOptions, rpm_stages};
use super::{BuildRoot, Pipeline};
use crate::GeneratorError;
use crate::content::{Content, Repository, ResolvedContent, Transaction};
use crate::manifest::Stage;
use crate::request::Request;
use crate::sources::Sources;
use osbuild_wasm_distro::{Kind, Runner};
use serde_json::{Map, json};

/// Programs that write files of a label they cannot know: they run as installers do.
const INSTALLERS: [(&str, &str); 2] = [("coreutils", "/usr/bin/cp"), ("tar", "/usr/bin/tar")];

/// A build root made of packages.
#[derive(Clone, Debug)]
pub struct Build {
    /// What runs stages in it.
    pub runner: Runner,
    /// Where its packages come from.
    pub repositories: Vec<Repository>,
    /// Packages that the other pipelines need, in their order.
    pub packages: Vec<String>,
    /// Pass over keys that the rpm that makes it refuses.
    pub ignore_key_import_failures: bool,
    /// It has no SELinux policy and no labels.
    pub no_selinux: bool,
    /// Containers are mounted from it: its tools do so as installers.
    pub mounts_containers: bool,
}

impl Build {
    /// The build root of what is asked for, with these packages for the other pipelines.
    pub fn of(request: &Request<'_>, packages: Vec<String>) -> Self {
        Self {
            runner: request.distro.runner.clone(),
            repositories: request.repositories_of("build"),
            packages,
            ignore_key_import_failures: request.image_type.image_config.ignore_key_import_failures
                == Some(true),
            no_selinux: request.distro.no_selinux,
            mounts_containers: request.image_type.kind == Kind::BootcPackageInstaller,
        }
    }
}

impl Pipeline for Build {
    fn name(&self) -> &str {
        "build"
    }

    fn build_root(&self) -> BuildRoot<'_> {
        BuildRoot::Runner(&self.runner.name)
    }

    fn content(&self) -> Content {
        let policy = (!self.no_selinux).then_some("selinux-policy-targeted");
        let mut include: Vec<String> = policy
            .into_iter()
            .chain(["coreutils", "xz"])
            .map(String::from)
            .collect();
        for package in self.runner.build_packages.iter().chain(&self.packages) {
            if !include.contains(package) {
                include.push(package.clone());
            }
        }
        Content {
            transactions: vec![Transaction {
                include,
                repositories: self.repositories.clone(),
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
        let options = RpmOptions {
            ignore_key_import_failures: self.ignore_key_import_failures,
            ..RpmOptions::default()
        };
        let mut stages = rpm_stages(self.name(), &resolved.packages, &options)?;
        if self.no_selinux {
            return Ok(stages);
        }
        let mut labels = Map::new();
        let installed = INSTALLERS
            .into_iter()
            .filter(|(package, _)| resolved.packages.package(package).is_some());
        let mounting = ["/usr/bin/mount", "/usr/bin/umount"]
            .into_iter()
            .filter(|_| self.mounts_containers);
        for path in installed.map(|(_, path)| path).chain(mounting) {
            labels.insert(path.into(), "system_u:object_r:install_exec_t:s0".into());
        }
        stages.push(Stage::new(
            "selinux",
            json!({"file_contexts": "etc/selinux/targeted/contexts/files/file_contexts", "labels": labels}),
        ));
        Ok(stages)
    }
}
