//! The system of a medium: what it is made of, and where its kernel lies.
use super::KERNEL_DIRECTORY;
use crate::GeneratorError;
use crate::content::{
    ContainerRequest, Content, Depsolved, Repository, ResolvedContent, Transaction,
};
use crate::manifest::{Stage, pipeline_tree, source_container};
use crate::pipelines::rpm::{RpmOptions, rpm_stages};
use crate::request::Request;
use crate::sources::Sources;
use serde_json::{Value, json};

/// What a medium's system is made of.
#[derive(Clone, Debug)]
pub enum SystemSource {
    /// Packages.
    Packages {
        /// What is installed.
        transaction: Transaction,
        /// How.
        options: RpmOptions,
    },
    /// A bootable container.
    Container(ContainerRequest),
}

impl SystemSource {
    /// The packages of an installer: those of the hardware and those of the type's set `installer`.
    pub fn installer(request: &Request<'_>, pipeline: &str, options: RpmOptions) -> Self {
        let image_type = request.image_type;
        let set = image_type
            .package_sets
            .get("installer")
            .cloned()
            .unwrap_or_default();
        let mut include = image_type.platform.packages.clone();
        include.extend(set.include);
        Self::Packages {
            transaction: Transaction {
                include,
                exclude: set.exclude,
                repositories: installer_repositories(request, pipeline),
                install_weak_deps: image_type.install_weak_deps,
                ..Transaction::default()
            },
            options,
        }
    }

    /// Packages of the build root.
    pub fn build_packages(&self) -> Vec<String> {
        match self {
            Self::Packages { options, .. } => {
                let own = options.rpmkeys_path.as_ref().map(|_| "pqrpm");
                ["rpm"].into_iter().chain(own).map(String::from).collect()
            }
            Self::Container(_) => vec!["skopeo".into()],
        }
    }

    /// What has to be fetched.
    pub fn content(&self) -> Content {
        match self {
            Self::Packages { transaction, .. } => Content {
                transactions: vec![transaction.clone()],
                ..Content::default()
            },
            Self::Container(container) => Content {
                containers: vec![container.clone()],
                ..Content::default()
            },
        }
    }

    /// The stages that make the tree of it.
    ///
    /// # Errors
    /// It is not among the resolved content of that pipeline, of which a container is the first.
    pub fn stages(
        &self,
        pipeline: &str,
        resolved: &ResolvedContent,
        sources: &mut Sources,
    ) -> Result<Vec<Stage>, GeneratorError> {
        match self {
            Self::Packages { options, .. } => {
                sources.add_packages(&resolved.packages);
                rpm_stages(pipeline, &resolved.packages, options)
            }
            Self::Container(_) => {
                let container = resolved.containers.first();
                let container = container.ok_or_else(|| GeneratorError::Unresolved {
                    pipeline: pipeline.into(),
                    missing: "its container".into(),
                })?;
                sources.add_container(container);
                let options = json!({"remove-signatures": true});
                Ok(vec![
                    Stage::new("container-deploy", options)
                        .input("images", source_container(container)),
                ])
            }
        }
    }
}

/// Repositories of an installer: a repository may be for the set, or for the pipeline by its name.
fn installer_repositories(request: &Request<'_>, pipeline: &str) -> Vec<Repository> {
    let serves = |repository: &&Repository| {
        let sets = &repository.package_sets;
        sets.is_empty() || sets.iter().any(|set| set == "installer" || set == pipeline)
    };
    request
        .repositories
        .iter()
        .filter(serves)
        .cloned()
        .collect()
}

/// The kernel of a medium.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// The one of the package of this name, in `/boot`.
    Package(String),
    /// The one of this version in a container, beside its modules.
    Container(String),
}

impl Kernel {
    /// Its version.
    ///
    /// # Errors
    /// The package is not among those of the pipeline.
    pub fn version(&self, pipeline: &str, packages: &Depsolved) -> Result<String, GeneratorError> {
        match self {
            Self::Container(version) => Ok(version.clone()),
            Self::Package(name) => match packages.package(name) {
                Some(package) => Ok(package.evra()),
                None => Err(GeneratorError::Unresolved {
                    pipeline: pipeline.into(),
                    missing: format!("the package {name}"),
                }),
            },
        }
    }

    /// Paths of kernel and initrd of this version in its system.
    fn files(&self, version: &str) -> [String; 2] {
        match self {
            Self::Package(_) => [
                format!("boot/vmlinuz-{version}"),
                format!("boot/initramfs-{version}.img"),
            ],
            Self::Container(_) => [
                format!("lib/modules/{version}/vmlinuz"),
                format!("lib/modules/{version}/initramfs.img"),
            ],
        }
    }

    /// What copies kernel and initrd of that version from the input `tree` to these places.
    pub fn copied(&self, version: &str, [kernel, initrd]: [&str; 2]) -> Vec<Value> {
        let [from_kernel, from_initrd] = self.files(version);
        [(from_kernel, kernel), (from_initrd, initrd)]
            .into_iter()
            .map(|(from, to)| json!({"from": format!("input://tree/{from}"), "to": format!("tree://{to}")}))
            .collect()
    }

    /// The stage that copies kernel and initrd of that version of a pipeline's tree onto the medium, and these files of
    /// the tree into its root directory.
    pub fn on_medium(&self, version: &str, pipeline: &str, files: &[String]) -> Stage {
        let kernel = format!("{KERNEL_DIRECTORY}/vmlinuz");
        let initrd = format!("{KERNEL_DIRECTORY}/initrd.img");
        let mut paths = self.copied(version, [&kernel, &initrd]);
        paths.extend(files.iter().map(|file| {
            let name = file.rsplit('/').next().unwrap_or(file);
            json!({"from": format!("input://tree/{file}"), "to": format!("tree:///{name}")})
        }));
        Stage::new("copy", json!({"paths": paths})).input("tree", pipeline_tree(pipeline))
    }
}
