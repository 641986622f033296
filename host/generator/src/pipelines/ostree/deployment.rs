//! A system deployed from a commit, as the root of a disk.
use super::mountpoints;
use crate::GeneratorError;
use crate::content::{Commit, CommitRequest, Content, ResolvedContent};
use crate::customizations::certificates::certificate_stages;
use crate::customizations::first_boot::FirstBoot;
use crate::customizations::nodes::{directory_stages, file_stages};
use crate::customizations::subscription::{UNIT, subscription_stages};
use crate::customizations::{fips, package_manager, users};
use crate::disk;
use crate::manifest::{Stage, source_commit};
use crate::pipelines::Pipeline;
use crate::request::Request;
use crate::sources::Sources;
use osbuild_wasm_blueprint::model::Customizations;
use osbuild_wasm_distro::{
    Bootloader, ImageConfig, MountConfiguration, OstreeDefaults, PartitionTable,
};
use serde_json::{Map, Value, json};
use std::rc::Rc;

/// Where a deployed system keeps its commits.
const REPOSITORY: &str = "/ostree/repo";
/// File systems that hold no part of a commit.
pub(super) const BOOT_MOUNTS: [&str; 2] = ["/boot", "/boot/efi"];

/// Deploys a commit on the partitions of a disk.
#[derive(Clone, Debug)]
pub struct Deployment<'a> {
    /// What is asked for.
    pub request: Request<'a>,
    /// The commit.
    pub commit: CommitRequest,
    /// Partitions that the system lies on.
    pub table: Rc<PartitionTable>,
}

impl Deployment<'_> {
    /// Name of the pipeline.
    pub const NAME: &'static str = "ostree-deployment";

    /// Name of the deployment, and ref.
    fn identity(&self) -> Value {
        json!({"osname": self.defaults().name, "ref": self.commit.reference})
    }

    /// The deployment mounted as the tree, for stages that change the system in it.
    pub fn mount(osname: &str, reference: &str) -> Value {
        json!({
            "name": format!("ostree-{reference}"),
            "type": "org.osbuild.ostree.deployment",
            "options": {"deployment": {"osname": osname, "ref": reference, "serial": 0}},
        })
    }
}

impl Pipeline for Deployment<'_> {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn build_packages(&self) -> Vec<String> {
        let platform = &self.request.image_type.platform;
        // The bootloader is copied from the build root, so what the system would have is needed there.
        let mut packages = platform.packages.clone();
        packages.extend(platform.build_packages.iter().cloned());
        packages.extend(
            disk::tool_packages(&self.table)
                .into_iter()
                .map(String::from),
        );
        packages.push("rpm-ostree".into());
        if !self.package_manager().is_empty() {
            packages.push("python3-iniparse".into());
        }
        if self.changes_people() {
            packages.push("shadow-utils".into());
        }
        packages
    }

    fn content(&self) -> Content {
        Content {
            commits: vec![self.commit.clone()],
            ..Content::default()
        }
    }

    fn stages(
        &self,
        resolved: &ResolvedContent,
        sources: &mut Sources,
    ) -> Result<Vec<Stage>, GeneratorError> {
        let Some(commit) = resolved.commits.first() else {
            return Err(GeneratorError::Unresolved {
                pipeline: Self::NAME.into(),
                missing: format!("the commit {:?}", self.commit.reference),
            });
        };
        sources.add_commit(commit);
        let mut stages = self.deploy(commit)?;
        stages.extend(self.in_system(self.before_ignition()?));
        stages.extend(self.ignition());
        stages.extend(self.in_system(self.after_ignition(sources)?));
        stages.push(Stage::new(
            "ostree.selinux",
            json!({"deployment": self.identity()}),
        ));
        Ok(stages)
    }
}

impl Deployment<'_> {
    fn config(&self) -> &ImageConfig {
        &self.request.image_type.image_config
    }

    fn customizations(&self) -> &Customizations {
        &self.request.blueprint.customizations
    }

    fn defaults(&self) -> OstreeDefaults {
        self.request.image_type.ostree.clone().unwrap_or_default()
    }

    /// Whether users or groups are made or locked, which the build root has the programs for.
    fn changes_people(&self) -> bool {
        let (config, customizations) = (self.config(), self.customizations());
        let of_type = config.users.as_ref().is_some_and(|users| !users.is_empty());
        let wished = !users::users(customizations).is_empty() || !customizations.group.is_empty();
        of_type || wished || config.lock_root_user == Some(true)
    }

    fn mount_configuration(&self) -> MountConfiguration {
        self.config().mount_configuration.unwrap_or_default()
    }

    /// The stages with the deployment as their tree.
    fn in_system(&self, stages: Vec<Stage>) -> impl Iterator<Item = Stage> {
        let mount = Self::mount(&self.defaults().name, &self.commit.reference);
        stages
            .into_iter()
            .map(move |stage| stage.mounts(vec![mount.clone()]))
    }

    /// From an empty tree to the deployment.
    fn deploy(&self, commit: &Commit) -> Result<Vec<Stage>, GeneratorError> {
        let defaults = self.defaults();
        let mut stages = vec![
            Stage::bare("ostree.init-fs"),
            Stage::new("ostree.os-init", json!({"osname": defaults.name})),
        ];
        if disk::mount(&self.table, "/boot/efi").is_some() {
            let path = json!({"path": "/boot/efi", "mode": 0o700});
            stages.push(Stage::new("mkdir", json!({"paths": [path]})));
        }
        let input = source_commit(&commit.checksum, &self.commit.reference);
        let pull = json!({"repo": REPOSITORY, "remote": defaults.remote_name});
        stages.push(Stage::new("ostree.pull", pull).input("commits", input));
        stages.push(Stage::new("ostree.deploy", self.deploy_options()?));
        if defaults.configure_remote {
            let mut remote = json!({"name": defaults.remote_name, "url": self.commit.url});
            if !self.commit.content_url.is_empty() {
                remote["contenturl"] = self.commit.content_url.clone().into();
            }
            let options = json!({"repo": REPOSITORY, "remotes": [remote]});
            stages.push(Stage::new("ostree.remotes", options));
        }
        let identity = json!({"deployment": self.identity()});
        stages.push(Stage::new("ostree.fillvar", identity));
        Ok(stages)
    }

    fn deploy_options(&self) -> Result<Value, GeneratorError> {
        let mut options = self.identity();
        options["remote"] = self.defaults().remote_name.into();
        let mounted = |target: &&str| disk::mount(&self.table, target).is_some();
        options["mounts"] = BOOT_MOUNTS.into_iter().filter(mounted).collect();
        let root = self.root()?;
        options["rootfs"] = match root.label {
            "" => json!({"uuid": root.uuid}),
            label => json!({"label": label}),
        };
        options["kernel_opts"] = self.kernel_options().into();
        Ok(options)
    }

    fn root(&self) -> Result<disk::Mount<'_>, GeneratorError> {
        disk::mount(&self.table, "/")
            .ok_or_else(|| GeneratorError::PartitionTable("nothing is mounted at /".into()))
    }

    /// The boot file system, where it has a partition of its own.
    fn boot(&self) -> Option<disk::Mount<'_>> {
        disk::mount(&self.table, "/boot").filter(|_| disk::has_own_partition(&self.table, "/boot"))
    }

    /// Arguments of the kernel: those its file systems need, the type's, the blueprint's, those of Ignition and FIPS.
    fn kernel_options(&self) -> Vec<String> {
        let mut options = disk::kernel_options(&self.table, self.mount_configuration());
        options.extend(self.config().kernel_options.iter().flatten().cloned());
        let kernel = self.customizations().kernel.as_ref();
        let append = kernel.and_then(|kernel| kernel.append.clone());
        options.extend(append.filter(|append| !append.is_empty()));
        if let Some(platform) = &self.config().ignition_platform {
            options.push(format!("ignition.platform.id={platform}"));
            // A variable of the bootloader, which is set until Ignition has run.
            options.push("$ignition_firstboot".into());
        }
        if self.is_fips() {
            options.extend(fips::kernel_options(self.boot().map(|boot| {
                fips::BootFileSystem {
                    label: boot.label,
                    uuid: boot.uuid,
                }
            })));
        }
        options
    }

    fn is_fips(&self) -> bool {
        self.customizations().fips == Some(true)
    }

    fn before_ignition(&self) -> Result<Vec<Stage>, GeneratorError> {
        let read_only = self.config().ostree_sysroot_readonly == Some(true);
        let sysroot = json!({"readonly": read_only, "bootloader": "none"});
        let mut stages = vec![Stage::new(
            "ostree.config",
            json!({"repo": REPOSITORY, "config": {"sysroot": sysroot}}),
        )];
        stages.extend(disk::mount_stages(&self.table, self.mount_configuration()));
        stages.extend(users::groups_stage(&self.customizations().group));
        let people = users::users(self.customizations());
        let of_type = self.config().users.as_ref();
        stages.extend(users::users_stage(&people, of_type, self.request.seed)?);
        Ok(stages)
    }

    /// The system starts for the first time only once, whatever systemd makes of a machine without id.
    fn ignition(&self) -> Option<Stage> {
        self.config().ignition_platform.as_ref().map(|_| {
            let network = ["systemd.firstboot=off", "systemd.condition-first-boot=true"];
            Stage::new("ignition", json!({"network": network}))
        })
    }

    fn after_ignition(&self, sources: &mut Sources) -> Result<Vec<Stage>, GeneratorError> {
        let customizations = self.customizations();
        let mut stages = mountpoints::unit_stages(&self.table);
        if self.config().lock_root_user == Some(true) {
            stages.push(users::lock_root_stage());
        }
        stages.extend(self.locale());
        stages.extend(self.package_manager());
        if self.is_fips() {
            stages.extend(fips::marker_stages(sources));
            stages.extend(fips::policy_stages());
        }
        if let Some(subscription) = &self.request.options.subscription {
            stages.extend(subscription_stages(subscription, "etc", sources)?);
        }
        let first_boot = FirstBoot::new(customizations.firstboot.as_ref());
        let local = self.request.local_files;
        stages.extend(directory_stages(&first_boot.directories()));
        stages.extend(file_stages(&first_boot.files(), local, sources)?);
        stages.extend(first_boot.unit_stages());
        stages.extend(directory_stages(&customizations.directories));
        stages.extend(file_stages(&customizations.files, local, sources)?);
        stages.extend(self.certificates(&first_boot, sources)?);
        stages.extend(self.grub()?);
        stages.extend(self.services(&first_boot));
        Ok(stages)
    }

    fn locale(&self) -> Vec<Stage> {
        let wished = self.customizations().locale.as_ref();
        let keymap = wished
            .and_then(|locale| locale.keyboard.as_ref())
            .map(|keymap| json!({"keymap": keymap}));
        let language = wished.and_then(|locale| locale.languages.first());
        let language = language.or(self.config().locale.as_ref());
        let keymap = keymap.or_else(|| self.config().keyboard.clone());
        let keymap = keymap.map(|options| Stage::new("keymap", options));
        let locale = language.map(|text| Stage::new("locale", json!({"language": text})));
        keymap.into_iter().chain(locale).collect()
    }

    /// What the blueprint says of the package manager; what the type says is in the commit.
    fn package_manager(&self) -> Vec<Stage> {
        let customizations = self.customizations();
        let dnf = customizations.dnf.as_ref();
        let dnf = dnf.and_then(|_| package_manager::dnf_options(&self.request));
        let rhsm = customizations.rhsm.as_ref();
        let rhsm = rhsm.and_then(|_| package_manager::rhsm_options(&self.request));
        let dnf = dnf.map(|options| Stage::new("dnf.config", options));
        let rhsm = rhsm.map(|options| Stage::new("rhsm", options));
        dnf.into_iter().chain(rhsm).collect()
    }

    fn certificates(
        &self,
        first_boot: &FirstBoot,
        sources: &mut Sources,
    ) -> Result<Vec<Stage>, GeneratorError> {
        let wished = self.customizations().cacerts.as_ref();
        let mut texts = wished.map_or_else(Vec::new, |cacerts| cacerts.pem_certs.clone());
        texts.extend(first_boot.certificates());
        certificate_stages(&texts, sources)
    }

    fn grub(&self) -> Result<Option<Stage>, GeneratorError> {
        let platform = &self.request.image_type.platform;
        if platform.bootloader != Bootloader::Grub2 {
            return Ok(None);
        }
        let mut options = json!({"compat_version": 2, "root_fs_uuid": self.root()?.uuid});
        if let Some(boot) = self.boot() {
            options["boot_fs_uuid"] = boot.uuid.into();
        }
        let arguments = self.kernel_options().join(" ");
        if !arguments.is_empty() {
            options["kernel_opts"] = arguments.into();
        }
        if !platform.bios_platform.is_empty() {
            options["legacy"] = platform.bios_platform.clone().into();
        }
        if !platform.uefi_vendor.is_empty() {
            options["uefi"] =
                json!({"vendor": platform.uefi_vendor, "install": true, "unified": true});
        }
        options["greenboot"] = true.into();
        options["write_cmdline"] = false.into();
        options["config"] = json!({"default": "saved"});
        let config = self.config().grub2_config.as_ref();
        for (key, value) in config.and_then(Value::as_object).into_iter().flatten() {
            options["config"][key] = value.clone();
        }
        if self.config().ignition_platform.is_some() {
            options["ignition"] = true.into();
        }
        Ok(Some(Stage::new("grub2", options)))
    }

    fn services(&self, first_boot: &FirstBoot) -> Option<Stage> {
        let config = self.config();
        let wished = self.customizations().services.clone().unwrap_or_default();
        let all = |of_type: &Option<Vec<String>>, more: Vec<String>| {
            let mut all = of_type.clone().unwrap_or_default();
            all.extend(more);
            all
        };
        let mut enabled = all(&config.enabled_services, wished.enabled);
        enabled.extend(first_boot.services());
        let subscription = self.request.options.subscription.as_ref();
        enabled.extend(subscription.map(|_| UNIT.to_string()));
        enabled.extend(mountpoints::service(&self.table));
        let mut options = Map::new();
        for (name, services) in [
            ("enabled_services", enabled),
            (
                "disabled_services",
                all(&config.disabled_services, wished.disabled),
            ),
            (
                "masked_services",
                all(&config.masked_services, wished.masked),
            ),
        ] {
            if !services.is_empty() {
                options.insert(name.into(), services.into());
            }
        }
        (!options.is_empty()).then(|| Stage::new("systemd", options.into()))
    }
}
