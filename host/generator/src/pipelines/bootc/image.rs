//! The disk of a bootable container: the container's own installer puts it on the file systems.
use super::info::ContainerInfo;
use super::system::System;
use super::{container, table};
use crate::GeneratorError;
use crate::content::{Container, Content, ResolvedContent};
use crate::disk;
use crate::manifest::{Stage, source_container};
use crate::pipelines::Pipeline;
use crate::random::Random;
use crate::request::Request;
use crate::sources::Sources;
use osbuild_wasm_blueprint::model::Customizations;
use osbuild_wasm_distro::{MountConfiguration, PartitionTable};
use serde_json::{Value, json};

/// The disk.
#[derive(Clone, Debug)]
pub struct BootcImage<'a> {
    request: Request<'a>,
    info: &'a ContainerInfo,
    customizations: &'a Customizations,
    table: PartitionTable,
    file: String,
}

impl<'a> BootcImage<'a> {
    /// The disk of a container in this file. A request without customizations has those that the container brings.
    ///
    /// # Errors
    /// The partitions that are asked for cannot be made.
    pub fn new(
        request: Request<'a>,
        info: &'a ContainerInfo,
        file: String,
        random: &mut Random,
    ) -> Result<Self, GeneratorError> {
        let asked = &request.blueprint.customizations;
        let customizations = match &info.os.image_customization {
            Some(brought) if asked.is_empty() => brought,
            _ => asked,
        };
        let table = table::table(&request, info, customizations, random)?;
        Ok(Self {
            request,
            info,
            customizations,
            table,
            file,
        })
    }

    fn system(&self) -> System<'_> {
        System {
            info: self.info,
            customizations: self.customizations,
            local_files: self.request.local_files,
            table: &self.table,
            subscription: self.request.options.subscription.as_ref(),
            seed: self.request.seed,
        }
    }

    /// Arguments of the kernel: those its file systems need, the type's unless they are not wanted, those of the
    /// customizations.
    fn kernel_options(&self) -> Vec<String> {
        // Options of the root's mount are the installer's business.
        let mut options = disk::kernel_options(&self.table, MountConfiguration::None);
        let bootc = self.request.options.bootc.as_ref();
        if !bootc.is_some_and(|bootc| bootc.omit_default_kernel_args) {
            let config = &self.request.image_type.image_config;
            options.extend(config.kernel_options.iter().flatten().cloned());
        }
        let kernel = self.customizations.kernel.as_ref();
        let append = kernel.and_then(|kernel| kernel.append.clone());
        options.extend(append.filter(|append| !append.is_empty()));
        options.extend(self.system().kernel_options());
        options
    }

    fn install(&self, container: &Container) -> Stage {
        let mut options = json!({
            "kernel-args": self.kernel_options(),
            "target-imgref": self.info.imgref,
        });
        if let Some(bootloader) = &self.info.bootloader {
            options["bootloader"] = bootloader.clone().into();
        }
        // A unified kernel starts a root that composefs verifies.
        if self.info.unified_kernel {
            options["composefs"] = true.into();
        }
        Stage::new("bootc.install-to-filesystem", options)
            .input("images", source_container(container))
    }

    fn mount_configuration(&self) -> MountConfiguration {
        let of_type = self.request.image_type.image_config.mount_configuration;
        let wished = self.info.os.mount_configuration;
        wished.or(of_type).unwrap_or_default()
    }

    /// Stages that work on the installed system.
    fn in_system(&self, sources: &mut Sources) -> Result<Vec<Stage>, GeneratorError> {
        let changes = self.system().stages(sources)?;
        if !self.info.unified_kernel {
            let mut stages = disk::mount_stages(&self.table, self.mount_configuration());
            stages.extend(changes);
            return Ok(stages);
        }
        if changes.is_empty() {
            return Ok(Vec::new());
        }
        Err(GeneratorError::Request(format!(
            "{} has a unified kernel: its system is sealed and takes no customizations but those of partitions and of the kernel's arguments",
            self.info.imgref
        )))
    }
}

impl Pipeline for BootcImage<'_> {
    fn name(&self) -> &str {
        "image"
    }

    fn content(&self) -> Content {
        let remote = container::is_remote(self.request.options);
        Content {
            containers: vec![container::request(&self.info.imgref, remote)],
            ..Content::default()
        }
    }

    fn stages(
        &self,
        resolved: &ResolvedContent,
        sources: &mut Sources,
    ) -> Result<Vec<Stage>, GeneratorError> {
        let found = container::resolved(self.name(), resolved)?;
        sources.add_container(found);
        let (table, file) = (&self.table, self.file.as_str());
        let tool = self.request.image_type.disk_config.partition_tool;
        let mut stages = vec![
            disk::truncate_stage(table, file),
            disk::label_stage(table, tool, file)?,
        ];
        stages.extend(disk::container_stages(table, file));
        stages.extend(disk::content_stages(table, file, "build")?);
        stages.extend(disk::finishing_stages(table, file));
        let (devices, mut mounts) = disk::scanned_disk(table, file)?;
        let install = self.install(found);
        stages.push(install.devices(devices.clone()).mounts(mounts.clone()));
        mounts.extend(deployment_as_tree());
        let in_system = self.in_system(sources)?.into_iter();
        stages.extend(in_system.map(|stage| stage.devices(devices.clone()).mounts(mounts.clone())));
        Ok(stages)
    }
}

/// Mounts that make the installed deployment the tree of a stage.
fn deployment_as_tree() -> [Value; 2] {
    [
        json!({
            "name": "ostree.deployment",
            "type": "org.osbuild.ostree.deployment",
            "options": {"source": "mount", "deployment": {"default": true}},
        }),
        json!({
            "name": "bind-ostree-deployment-to-tree",
            "type": "org.osbuild.bind",
            "target": "tree://",
            "options": {"source": "mount://"},
        }),
    ]
}
