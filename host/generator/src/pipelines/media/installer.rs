//! The pipelines of installers and of live media made of packages.
use super::kickstart::ON_MEDIUM;
use super::medium::label;
use super::{
    AnacondaTree, BootIso, BootIsoTree, EfiBootTree, InstallerUse, Kernel, Kickstart, Medium,
    Payload, RootFs, RootFsImage, SystemSource,
};
use crate::GeneratorError;
use crate::content::{CommitRequest, FlatpakRequest};
use crate::pipelines::Pipeline;
use crate::pipelines::rpm::RpmOptions;
use crate::random::Random;
use crate::request::Request;
use osbuild_wasm_distro::{Kind, RootFsType};
use std::rc::Rc;

/// Package of an installer's kernel.
pub(super) const KERNEL: &str = "kernel";
const SYSTEM: &str = "anaconda-tree";
/// Modules of Anaconda that every installation of a payload needs.
const MODULES: [&str; 3] = ["Network", "Payloads", "Storage"];
/// Size of the ext4 of an installer's system where the image type says nothing.
const ROOTFS_IMAGE_SIZE: u64 = 5 << 30;

/// An installer or live medium made of packages.
#[derive(Clone, Debug)]
pub struct Installer<'a> {
    request: Request<'a>,
    medium: Rc<Medium>,
    payload: Option<Payload>,
    kickstart: Option<Kickstart>,
}

impl<'a> Installer<'a> {
    /// The one that is asked for; `commit` is what an installer of OSTree installs.
    ///
    /// # Errors
    /// A customization cannot be had on this medium.
    pub fn of(request: Request<'a>, commit: Option<CommitRequest>) -> Result<Self, GeneratorError> {
        let kickstart = Kickstart::of(&request)?;
        let (payload, kickstart) = match request.image_type.kind {
            Kind::ImageInstaller => (Some(Payload::Tree), Some(kickstart)),
            Kind::OstreeInstaller => (Some(commit_payload(&request, commit)?), Some(kickstart)),
            Kind::LiveInstaller if !kickstart.is_empty() || has_modules(&request) => {
                return Err(GeneratorError::Request(
                    "a live medium has no kickstart and asks no module of Anaconda: leave users, groups and installer's unattended, sudo-nopasswd, kickstart and modules out".into(),
                ));
            }
            _ => (None, (!kickstart.is_empty()).then_some(kickstart)),
        };
        let with_file = kickstart.is_some() && !is_in_system(&request);
        let medium = Medium::of(
            &request,
            kernel_options(&request, kickstart.as_ref(), with_file),
        );
        Ok(Self {
            request,
            medium: Rc::new(medium),
            payload,
            kickstart,
        })
    }

    /// The pipelines before the system that is installed: the medium's own system, and the loaders for UEFI.
    pub fn system_pipelines(&self) -> Vec<Box<dyn Pipeline + 'a>> {
        let mut pipelines: Vec<Box<dyn Pipeline + 'a>> = vec![Box::new(self.system())];
        let config = &self.medium.config;
        if config.rootfs_type == Some(RootFsType::SquashfsExt4) {
            let size = config.rootfs_image_size.unwrap_or(ROOTFS_IMAGE_SIZE);
            pipelines.push(Box::new(RootFsImage {
                pipeline: SYSTEM.into(),
                size,
            }));
        }
        if self.medium.boot.uefi() {
            pipelines.push(Box::new(EfiBootTree {
                medium: self.medium.clone(),
            }));
        }
        pipelines
    }

    /// The pipelines after the system that is installed: the files of the medium, and its image.
    pub fn medium_pipelines(&self, random: &mut Random) -> Vec<Box<dyn Pipeline + 'a>> {
        let volume_id = self.medium.boot.uefi().then(|| random.volume_id());
        let in_system = is_in_system(&self.request);
        let mut directories = vec![["/images", "/images/pxeboot"].map(String::from).to_vec()];
        if self.is_live() {
            directories.push(vec!["/LiveOS".into()]);
        }
        let tree = BootIsoTree {
            medium: self.medium.clone(),
            system: SYSTEM.into(),
            kernel: Kernel::Package(KERNEL.into()),
            root: self.root(),
            directories,
            volume_id,
            payload: self.payload.clone().filter(|_| !in_system),
            kickstart: self.kickstart.clone().filter(|_| !in_system),
            release: self.medium.release(),
        };
        vec![
            Box::new(tree),
            Box::new(BootIso {
                medium: self.medium.clone(),
            }),
        ]
    }

    fn is_live(&self) -> bool {
        self.request.image_type.kind == Kind::LiveInstaller
    }

    fn root(&self) -> RootFs {
        let config = self.medium.config.clone();
        let pipeline = match config.rootfs_type {
            Some(RootFsType::SquashfsExt4) => "rootfs-image",
            _ => SYSTEM,
        };
        let filename = if self.is_live() {
            "LiveOS/squashfs.img"
        } else {
            "images/install.img"
        };
        RootFs {
            pipeline: pipeline.into(),
            filename: filename.into(),
            arch: self.medium.arch,
            config,
        }
    }

    fn system(&self) -> AnacondaTree {
        let (request, is_live) = (&self.request, self.is_live());
        let image_type = request.image_type;
        let options = rpm_options(request, !is_live);
        let in_system = is_in_system(request);
        let payload = self
            .payload
            .clone()
            .zip(self.kickstart.clone())
            .filter(|_| in_system);
        AnacondaTree {
            source: SystemSource::installer(request, SYSTEM, options),
            kernel: Kernel::Package(KERNEL.into()),
            medium: self.medium.clone(),
            purpose: match image_type.kind {
                Kind::LiveInstaller => InstallerUse::Live,
                _ if self.payload.is_some() => InstallerUse::Payload(anaconda_modules(request)),
                _ => InstallerUse::Network(disabled_modules(request)),
            },
            variant: image_type.variant.clone(),
            is_final: !request.options.preview.unwrap_or(request.distro.preview),
            language: language(request),
            config: image_type.installer_config.clone(),
            payload,
            flatpaks: flatpaks(request),
        }
    }
}

/// How packages of an installer's system are installed.
pub(super) fn rpm_options(request: &Request<'_>, exclude_docs: bool) -> RpmOptions {
    let config = &request.image_type.image_config;
    RpmOptions {
        exclude_docs,
        rpmkeys_path: config.rpmkeys_path.clone(),
        ..RpmOptions::default()
    }
}

fn commit_payload(
    request: &Request<'_>,
    commit: Option<CommitRequest>,
) -> Result<Payload, GeneratorError> {
    let name = &request.image_type.name;
    let (Some(commit), Some(ostree)) = (commit, &request.image_type.ostree) else {
        return Err(GeneratorError::Request(format!(
            "options validation failed for image type {name:?}: ostree.url: required, there is no default available"
        )));
    };
    Ok(Payload::Commit {
        request: commit,
        name: ostree.name.clone(),
        remote: ostree.remote_name.clone(),
    })
}

/// Whether the payload and its kickstart lie in the installer's own system.
fn is_in_system(request: &Request<'_>) -> bool {
    request.image_type.installer_config.payload_in_system == Some(true)
}

/// Arguments of the kernel: those by which it finds the medium, the type's, the blueprint's, those of FIPS.
fn kernel_options(
    request: &Request<'_>,
    kickstart: Option<&Kickstart>,
    with_file: bool,
) -> Vec<String> {
    let label = label(request);
    let config = &request.image_type.installer_config;
    let customizations = &request.blueprint.customizations;
    let mut options = match request.image_type.kind {
        Kind::LiveInstaller => live_options(&label),
        _ => stage2_options(&label, with_file),
    };
    options.extend(config.kernel_options.iter().flatten().cloned());
    if kickstart.is_some_and(|kickstart| kickstart.unattended) {
        options.extend(config.unattended_kernel_options.iter().flatten().cloned());
    }
    let append = customizations
        .kernel
        .as_ref()
        .and_then(|kernel| kernel.append.clone());
    options.extend(append.filter(|append| !append.is_empty()));
    if customizations.fips == Some(true) {
        options.push("fips=1".into());
    }
    options
}

/// By which an initrd of Anaconda finds its system, and its kickstart where that lies on the medium.
pub(super) fn stage2_options(label: &str, with_kickstart: bool) -> Vec<String> {
    let mut options = vec![format!("inst.stage2=hd:LABEL={label}")];
    if with_kickstart {
        options.push(format!("inst.ks=hd:LABEL={label}:{ON_MEDIUM}"));
    }
    options
}

/// By which the initrd of a live medium finds its system.
pub(super) fn live_options(label: &str) -> Vec<String> {
    vec![format!("root=live:CDLABEL={label}"), "rd.live.image".into()]
}

/// Language of the system: the blueprint's, else the type's.
pub(super) fn language(request: &Request<'_>) -> String {
    let locale = request.blueprint.customizations.locale.as_ref();
    let wished = locale.and_then(|locale| locale.languages.first());
    let language = wished.or(request.image_type.image_config.locale.as_ref());
    language.map_or_else(|| "C.UTF-8".into(), Clone::clone)
}

/// Modules of Anaconda that a payload's installation has, sorted: what the payload and the customizations need, what
/// the type and the blueprint enable; less what the blueprint disables.
pub(super) fn anaconda_modules(request: &Request<'_>) -> Vec<String> {
    let config = &request.image_type.installer_config;
    let customizations = &request.blueprint.customizations;
    let people = !(customizations.user.is_empty()
        && customizations.sshkey.is_empty()
        && customizations.group.is_empty());
    let mut needed = MODULES.to_vec();
    // An older Anaconda always starts what it needs to run.
    if config.legacy_anaconda_config != Some(true) {
        needed.push("Runtime");
    }
    if people {
        needed.push("Users");
    }
    if customizations.fips == Some(true) {
        needed.push("Security");
    }
    let mut modules: Vec<String> = needed
        .into_iter()
        .map(|name| format!("org.fedoraproject.Anaconda.Modules.{name}"))
        .collect();
    modules.extend(config.enabled_anaconda_modules.iter().flatten().cloned());
    let wished = customizations
        .installer
        .as_ref()
        .and_then(|installer| installer.modules.as_ref());
    modules.extend(
        wished
            .map(|wished| wished.enable.clone())
            .unwrap_or_default(),
    );
    let disabled = disabled_modules(request);
    modules.retain(|module| !disabled.contains(module));
    modules.sort();
    modules.dedup();
    modules
}

/// Modules of Anaconda that the blueprint disables.
fn disabled_modules(request: &Request<'_>) -> Vec<String> {
    let installer = request.blueprint.customizations.installer.as_ref();
    let modules = installer.and_then(|installer| installer.modules.as_ref());
    modules
        .map(|modules| modules.disable.clone())
        .unwrap_or_default()
}

/// Whether the blueprint says anything about modules of Anaconda.
fn has_modules(request: &Request<'_>) -> bool {
    let installer = request.blueprint.customizations.installer.as_ref();
    let modules = installer.and_then(|installer| installer.modules.as_ref());
    modules.is_some_and(|modules| !(modules.enable.is_empty() && modules.disable.is_empty()))
}

/// Flatpaks of the type, then those of the blueprint.
fn flatpaks(request: &Request<'_>) -> Vec<FlatpakRequest> {
    let of = |remote: &str, url: &str, references: &[String]| -> Vec<FlatpakRequest> {
        let one = |reference: &String| FlatpakRequest {
            remote_name: remote.into(),
            url: url.into(),
            reference: reference.clone(),
        };
        references.iter().map(one).collect()
    };
    let of_type = request
        .image_type
        .installer_config
        .flatpaks
        .iter()
        .flatten();
    let mut flatpaks: Vec<FlatpakRequest> = of_type
        .flat_map(|entry| of(&entry.remote_name, &entry.url, &entry.references))
        .collect();
    let installer = request.blueprint.customizations.installer.as_ref();
    let wished = installer.and_then(|installer| installer.payload.as_ref()?.flatpaks.as_ref());
    for entry in wished.iter().flat_map(|wished| &wished.force) {
        flatpaks.extend(of(
            &entry.registry.remote_name,
            &entry.registry.url,
            &entry.references,
        ));
    }
    flatpaks
}
