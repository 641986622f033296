//! The system of an image: packages, configuration, customizations. The order of its stages is a promise: what comes
//! later sees, and may change, what came before.
mod boot;
mod configuration;
mod hardening;
mod identity;
mod packages;
mod repositories;

use super::Pipeline;
use crate::content::{Content, ResolvedContent};
use crate::customizations::fips;
use crate::customizations::first_boot::FirstBoot;
use crate::customizations::nodes::{LocalFiles, directory_stages, file_stages};
use crate::customizations::subscription::subscription_stages;
use crate::disk;
use crate::manifest::{Stage, source_checkout};
use crate::request::Request;
use crate::sources::Sources;
use crate::{GeneratorError, content};
use osbuild_wasm_blueprint::model::Customizations;
use osbuild_wasm_distro::{Bootloader, ImageConfig, Kind, MountConfiguration, PartitionTable};
use serde_json::json;
use std::rc::Rc;

/// The system of an image.
#[derive(Debug)]
pub struct Os<'a> {
    /// What is asked for.
    pub request: Request<'a>,
    /// Partitions it will lie on, if it is for a disk.
    pub table: Option<Rc<PartitionTable>>,
    /// The commit before, for a tree that becomes a commit.
    pub parent: Option<content::CommitRequest>,
}

impl Pipeline for Os<'_> {
    fn name(&self) -> &str {
        "os"
    }

    fn build_packages(&self) -> Vec<String> {
        packages::build_packages(self)
    }

    fn content(&self) -> Content {
        Content {
            transactions: packages::transactions(self),
            containers: packages::containers(self),
            commits: self.parent.iter().cloned().collect(),
            ..Content::default()
        }
    }

    fn stages(
        &self,
        resolved: &ResolvedContent,
        sources: &mut Sources,
    ) -> Result<Vec<Stage>, GeneratorError> {
        sources.add_packages(&resolved.packages);
        let mut writer = Writer {
            os: self,
            resolved,
            sources,
            stages: Vec::new(),
        };
        writer.write()?;
        Ok(writer.stages)
    }
}

impl Os<'_> {
    fn config(&self) -> &ImageConfig {
        &self.request.image_type.image_config
    }

    fn customizations(&self) -> &Customizations {
        &self.request.blueprint.customizations
    }

    /// Whether the tree becomes a commit of OSTree.
    fn is_ostree(&self) -> bool {
        matches!(
            self.request.image_type.kind,
            Kind::OstreeCommit | Kind::OstreeContainer | Kind::BootableContainer
        )
    }

    /// Whether the system is unpacked by an installer, which makes users and groups itself.
    fn is_installed(&self) -> bool {
        self.request.image_type.kind == Kind::ImageInstaller
    }

    fn is_fips(&self) -> bool {
        self.customizations().fips == Some(true)
    }

    /// Policy of SELinux, if there is one.
    fn selinux_policy(&self) -> Option<&str> {
        let config = self.config();
        let without = config.no_selinux == Some(true) || self.request.distro.no_selinux;
        (!without).then(|| config.selinux_policy.as_deref().unwrap_or("targeted"))
    }

    fn mount_configuration(&self) -> MountConfiguration {
        self.config().mount_configuration.unwrap_or_default()
    }

    /// Package of the kernel, if there is one.
    fn kernel_name(&self) -> Option<&str> {
        self.request.kernel_name()
    }

    fn first_boot(&self) -> FirstBoot {
        FirstBoot::new(self.customizations().firstboot.as_ref())
    }

    /// Arguments of the kernel: those its file systems need, the type's, the blueprint's, those of FIPS.
    fn kernel_options(&self) -> Vec<String> {
        let mut options = Vec::new();
        if let Some(table) = &self.table {
            options.extend(disk::kernel_options(table, self.mount_configuration()));
        }
        options.extend(self.config().kernel_options.iter().flatten().cloned());
        let append = self
            .customizations()
            .kernel
            .as_ref()
            .and_then(|kernel| kernel.append.clone());
        options.extend(append.filter(|append| !append.is_empty()));
        if self.is_fips() {
            options.extend(fips::kernel_options(self.boot_file_system()));
        }
        options
    }

    /// The file system of `/boot`, where that is one of its own.
    fn boot_file_system(&self) -> Option<fips::BootFileSystem<'_>> {
        let mount = disk::mount(self.table.as_deref()?, "/boot")?;
        Some(fips::BootFileSystem {
            label: mount.label,
            uuid: mount.uuid,
        })
    }

    /// Whether the kernel's arguments are in a file of their own, not in the bootloader's configuration.
    fn has_kernel_cmdline(&self) -> bool {
        let platform = &self.request.image_type.platform;
        let by_grub = platform.bootloader == Bootloader::Grub2
            && self.config().kernel_options_bootloader != Some(true)
            && self.config().no_bls != Some(true);
        self.request.image_type.bootable && (by_grub || platform.zipl)
    }
}

/// Writes the stages of a system in their order.
struct Writer<'a, 'b> {
    os: &'a Os<'a>,
    resolved: &'b ResolvedContent,
    sources: &'b mut Sources,
    stages: Vec<Stage>,
}

impl Writer<'_, '_> {
    fn write(&mut self) -> Result<(), GeneratorError> {
        self.before_packages()?;
        self.stages
            .extend(packages::install(self.os, &self.resolved.packages)?);
        boot::fix_bls(self);
        self.containers();
        identity::write(self)?;
        configuration::before_first_boot(self);
        self.first_boot()?;
        configuration::after_first_boot(self);
        self.subscription()?;
        configuration::after_subscription(self);
        boot::write(self)?;
        self.noted_facts();
        configuration::journal(self);
        repositories::modules(self)?;
        self.directories_and_files()?;
        configuration::services(self);
        self.configured(&["shell.init", "wsl.conf", "wsl-distribution.conf"]);
        hardening::write(self)?;
        self.finish()
    }

    /// Adds a stage.
    fn push(&mut self, stage: Stage) {
        self.stages.push(stage);
    }

    /// Adds the stages of the type's configuration with these names, in order.
    fn configured(&mut self, names: &[&str]) {
        for name in names {
            for options in self.os.config().stages.get(*name).into_iter().flatten() {
                self.stages.push(Stage::new(name, options.clone()));
            }
        }
    }

    /// What has to be there when packages are installed, since scripts of packages read it.
    fn before_packages(&mut self) -> Result<(), GeneratorError> {
        if let (Some(table), true) = (&self.os.table, self.os.has_kernel_cmdline()) {
            let mut options = json!({"root_fs_uuid": boot::root_uuid(table)?});
            let arguments = self.os.kernel_options().join(" ");
            if !arguments.is_empty() {
                options["kernel_opts"] = arguments.into();
            }
            self.push(Stage::new("kernel-cmdline", options));
        }
        self.configured(&["dracut.conf"]);
        if let Some(commit) = self.resolved.commits.first() {
            self.sources.add_commit(commit);
            let input = source_checkout(&commit.checksum);
            self.push(Stage::bare("ostree.passwd").input("commits", input));
        }
        Ok(())
    }

    fn containers(&mut self) {
        if self.resolved.containers.is_empty() {
            return;
        }
        let storage = packages::container_storage(self.os);
        if let Some(path) = storage {
            let config = json!({"storage": {"options": {"additionalimagestores": [path]}}});
            self.push(Stage::new(
                "containers.storage.conf",
                json!({"filename": "/etc/containers/storage.conf", "config": config}),
            ));
        }
        for container in &self.resolved.containers {
            self.sources.add_container(container);
        }
        let stage =
            crate::customizations::containers::storage_stage(&self.resolved.containers, storage);
        self.push(stage);
    }

    /// Scripts of the first boot, the type's units, and the units of the scripts.
    fn first_boot(&mut self) -> Result<(), GeneratorError> {
        let first_boot = self.os.first_boot();
        self.stages
            .extend(directory_stages(&first_boot.directories()));
        self.stages.extend(file_stages(
            &first_boot.files(),
            &LocalFiles::new(),
            self.sources,
        )?);
        self.configured(&["systemd.unit", "systemd.unit.create"]);
        self.stages.extend(first_boot.unit_stages());
        Ok(())
    }

    fn subscription(&mut self) -> Result<(), GeneratorError> {
        if let Some(subscription) = &self.os.request.options.subscription {
            let stages = subscription_stages(subscription, "usr", self.sources)?;
            self.stages.extend(stages);
        }
        Ok(())
    }

    fn noted_facts(&mut self) {
        let facts = self.os.request.options.facts.as_ref();
        let Some(api_type) = facts
            .map(|facts| &facts.api_type)
            .filter(|api_type| !api_type.is_empty())
        else {
            return;
        };
        if self.os.request.distro.family() != "rhel" {
            return;
        }
        let noted = json!({"image-builder.osbuild-composer.api-type": api_type});
        self.push(Stage::new("rhsm.facts", json!({"facts": noted})));
    }

    fn directories_and_files(&mut self) -> Result<(), GeneratorError> {
        let customizations = self.os.customizations();
        let mut directories = customizations.directories.clone();
        directories.extend(hardening::directories(self.os));
        directories.extend(self.os.config().directories.iter().flatten().cloned());
        let mut files = customizations.files.clone();
        files.extend(repositories::key_files(self.os));
        files.extend(self.os.config().files.iter().flatten().cloned());
        self.stages.extend(directory_stages(&directories));
        self.stages.extend(file_stages(
            &files,
            self.os.request.local_files,
            self.sources,
        )?);
        Ok(())
    }

    fn finish(&mut self) -> Result<(), GeneratorError> {
        let config = self.os.config();
        if config.machine_id_uninitialized == Some(true) {
            self.push(Stage::new("machine-id", json!({"first-boot": "yes"})));
        }
        if let Some(policy) = self.os.selinux_policy() {
            let mut options = json!({"file_contexts": format!("etc/selinux/{policy}/contexts/files/file_contexts")});
            if config.selinux_force_relabel == Some(true) {
                options["force_autorelabel"] = true.into();
            }
            self.push(Stage::new("selinux", options));
        }
        if self.os.is_ostree() {
            self.push(Stage::new(
                "ostree.preptree",
                json!({"etc_group_members": ["wheel", "docker"]}),
            ));
        }
        if config.bootupd == Some(true) {
            self.push(Stage::bare("bootupd.gen-metadata"));
        }
        if let Some(options) = &config.bootc_install {
            self.push(Stage::new("bootc.install.config", options.clone()));
        }
        Ok(())
    }
}
