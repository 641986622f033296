//! What a blueprint changes in the system that was installed from a bootable container.
use super::info::ContainerInfo;
use super::tree::file_contexts;
use crate::GeneratorError;
use crate::customizations::nodes::{LocalFiles, directory_stages, file_stages};
use crate::customizations::subscription::{UNIT, subscription_stages};
use crate::customizations::users;
use crate::disk;
use crate::manifest::Stage;
use crate::request::Subscription;
use crate::sources::Sources;
use osbuild_wasm_blueprint::model::{Bootloader, Customizations, Ignition};
use osbuild_wasm_distro::PartitionTable;
use serde_json::{Map, Value, json};

/// Where homes are, as an installed container has them: permissions as the directories they stand for.
const HOMES: [(&str, u32); 2] = [("/var/roothome", 0o700), ("/var/home", 0o755)];
/// Platform that Ignition takes its configuration for.
const IGNITION_PLATFORM: &str = "metal";

/// What changes the system.
#[derive(Clone, Copy, Debug)]
pub(super) struct System<'a> {
    pub(super) info: &'a ContainerInfo,
    pub(super) customizations: &'a Customizations,
    pub(super) local_files: &'a LocalFiles,
    pub(super) table: &'a PartitionTable,
    pub(super) subscription: Option<&'a Subscription>,
    pub(super) seed: i64,
}

impl System<'_> {
    /// The stages, with the deployment as their tree; the last ones label what the others made.
    pub(super) fn stages(&self, sources: &mut Sources) -> Result<Vec<Stage>, GeneratorError> {
        let customizations = self.customizations;
        let mut stages: Vec<Stage> = users::groups_stage(&customizations.group)
            .into_iter()
            .collect();
        let people = users::users(customizations);
        if let Some(stage) = users::users_stage(&people, None, self.seed)? {
            stages.extend([homes_stage(), stage]);
        }
        if let Some(subscription) = self.subscription {
            stages.extend(subscription_stages(subscription, "etc", sources)?);
            stages.push(Stage::new("systemd", json!({"enabled_services": [UNIT]})));
        }
        stages.extend(directory_stages(&customizations.directories));
        stages.extend(file_stages(
            &customizations.files,
            self.local_files,
            sources,
        )?);
        if let Some(ignition) = &customizations.ignition {
            stages.push(self.ignition_stage(ignition)?);
        }
        if let Some(bootloader) = &customizations.bootloader {
            stages.extend(self.grub_stage(bootloader));
        }
        if !stages.is_empty() {
            stages.extend(["/etc", "/var"].map(|path| self.selinux_stage(path)));
        }
        Ok(stages)
    }

    /// Arguments of the kernel that the changes need.
    pub(super) fn kernel_options(&self) -> Vec<String> {
        let Some(ignition) = &self.customizations.ignition else {
            return Vec::new();
        };
        let mut options = vec![
            format!("ignition.platform.id={IGNITION_PLATFORM}"),
            "$ignition_firstboot".to_string(),
        ];
        let firstboot = ignition.firstboot.as_ref();
        let url = firstboot.and_then(|firstboot| firstboot.url.as_deref());
        if let Some(url) = url.filter(|url| !url.is_empty()) {
            options.push(format!("ignition.config.url={url}"));
        }
        options
    }

    /// Place of a path below `/boot`, which the tree of a deployment does not have.
    fn in_boot(&self, path: &str) -> String {
        match disk::mount(self.table, "/boot") {
            Some(_) => format!("mount://boot{path}"),
            None => format!("mount://-/boot{path}"),
        }
    }

    fn ignition_stage(&self, ignition: &Ignition) -> Result<Stage, GeneratorError> {
        match ignition.embedded {
            None => Ok(Stage::new(
                "ignition",
                json!({"target": self.in_boot("/")}),
            )),
            Some(_) => Err(GeneratorError::Request(
                "customizations.ignition.embedded: not supported for an installed container; use customizations.ignition.firstboot"
                    .into(),
            )),
        }
    }

    fn grub_stage(&self, bootloader: &Bootloader) -> Option<Stage> {
        let grub = bootloader.grub2.as_ref()?;
        let mut config = Map::new();
        for (name, terminals) in [
            ("terminal_input", &grub.terminal_input),
            ("terminal_output", &grub.terminal_output),
        ] {
            if !terminals.is_empty() {
                config.insert(name.into(), json!(terminals));
            }
        }
        if let Some(serial) = grub.serial.as_ref().filter(|serial| !serial.is_empty()) {
            config.insert("serial".into(), json!(serial));
        }
        // The configuration that bootupd installs reads this file.
        let path = self.in_boot("/grub2/console.cfg");
        (!config.is_empty()).then(|| Stage::new("grub2.d", json!({"path": path, "config": config})))
    }

    fn selinux_stage(&self, path: &str) -> Stage {
        Stage::new(
            "selinux",
            json!({"file_contexts": file_contexts(self.info), "target": format!("tree://{path}")}),
        )
    }
}

fn homes_stage() -> Stage {
    let path = |(path, mode)| json!({"path": path, "mode": mode, "exist_ok": true});
    let paths: Vec<Value> = HOMES.map(path).to_vec();
    Stage::new("mkdir", json!({"paths": paths}))
}
