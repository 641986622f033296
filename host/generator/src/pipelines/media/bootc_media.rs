//! The pipelines of media with bootable containers.
use super::installer::{
    KERNEL, anaconda_modules, language, live_options, rpm_options, stage2_options,
};
use super::{
    AnacondaTree, BootIso, BootIsoTree, BootcTree, EfiBootTree, InstallerUse, Kernel, Kickstart,
    Medium, Payload, RootFs, SystemSource,
};
use crate::GeneratorError;
use crate::content::ContainerRequest;
use crate::pipelines::Pipeline;
use crate::pipelines::bootc::container;
use crate::pipelines::bootc::info::ContainerInfo;
use crate::random::Random;
use crate::request::Request;
use osbuild_wasm_distro::Kind;
use serde_json::json;
use std::rc::Rc;

/// A medium with a bootable container.
#[derive(Clone, Debug)]
pub struct BootcMedia<'a> {
    request: Request<'a>,
    info: &'a ContainerInfo,
    medium: Rc<Medium>,
}

impl<'a> BootcMedia<'a> {
    /// The medium that is asked for, of this container.
    ///
    /// # Errors
    /// A customization cannot be had on this medium.
    pub fn of(request: Request<'a>, info: &'a ContainerInfo) -> Result<Self, GeneratorError> {
        let mut medium = Medium::of(&request, Vec::new());
        medium.product.clone_from(&info.os.release.name);
        medium.version.clone_from(&info.os.release.version_id);
        let iso = &info.os.iso;
        let own_label = request.blueprint.customizations.iso.as_ref();
        let has_label =
            own_label.is_some_and(|iso| iso.volume_id.as_deref().is_some_and(|id| !id.is_empty()));
        if !iso.label.is_empty() && !has_label {
            medium.label.clone_from(&iso.label);
        }
        if is_live(&request) {
            medium.uefi_vendor.clone_from(&info.os.uefi_vendor);
            medium.config.menu_default =
                menu_entry(iso.grub2.default)?.or(medium.config.menu_default);
            medium.menu_timeout = medium.menu_timeout.or(iso.grub2.timeout);
            let entries = iso.grub2.entries.iter();
            medium.menu_entries = entries
                .map(|entry| json!({"name": entry.name, "linux": entry.linux, "initrd": entry.initrd}))
                .collect();
        }
        medium.kernel_options = kernel_options(&request, info, &medium.label);
        Ok(Self {
            request,
            info,
            medium: Rc::new(medium),
        })
    }

    /// The pipelines after the build root.
    ///
    /// # Errors
    /// What shall be installed is not named, or a customization cannot be had.
    pub fn pipelines(
        &self,
        random: &mut Random,
    ) -> Result<Vec<Box<dyn Pipeline + 'a>>, GeneratorError> {
        let is_live = self.is_live();
        let (system, kernel): (Box<dyn Pipeline + 'a>, Kernel) = match self.request.image_type.kind
        {
            Kind::BootcLive => {
                let tree = BootcTree {
                    container: self.container(),
                    payload: self.other_container(),
                };
                (Box::new(tree), self.kernel()?)
            }
            Kind::BootcInstaller => {
                let source = SystemSource::Container(self.container());
                (
                    Box::new(self.installer(source, self.kernel()?)),
                    self.kernel()?,
                )
            }
            _ => {
                let options = rpm_options(&self.request, true);
                let source = SystemSource::installer(&self.request, "anaconda-tree", options);
                let kernel = Kernel::Package(KERNEL.into());
                (Box::new(self.installer(source, kernel.clone())), kernel)
            }
        };
        let tree = BootIsoTree {
            medium: self.medium.clone(),
            system: system.name().into(),
            kernel,
            root: self.root(system.name()),
            directories: vec![self.directories()],
            volume_id: self.medium.boot.uefi().then(|| random.volume_id()),
            payload: self.payload()?,
            kickstart: if is_live {
                None
            } else {
                Some(Kickstart::of(&self.request)?)
            },
            release: if is_live {
                self.medium.version.clone()
            } else {
                String::new()
            },
        };
        let mut pipelines = vec![system];
        if self.medium.boot.uefi() {
            pipelines.push(Box::new(EfiBootTree {
                medium: self.medium.clone(),
            }));
        }
        pipelines.push(Box::new(tree));
        pipelines.push(Box::new(BootIso {
            medium: self.medium.clone(),
        }));
        Ok(pipelines)
    }

    fn is_live(&self) -> bool {
        is_live(&self.request)
    }

    fn request_of(&self, reference: &str) -> ContainerRequest {
        container::request(reference, container::is_remote(self.request.options))
    }

    fn container(&self) -> ContainerRequest {
        self.request_of(&self.info.imgref)
    }

    /// The container to install that is not the medium's own.
    fn other_container(&self) -> Option<ContainerRequest> {
        let options = self.request.options.bootc.as_ref()?;
        let reference =
            Some(&options.installer_payload_ref).filter(|reference| !reference.is_empty());
        reference.map(|reference| self.request_of(reference))
    }

    fn kernel(&self) -> Result<Kernel, GeneratorError> {
        let kernel = self.info.os.kernel_info.as_ref();
        let version = kernel
            .map(|kernel| kernel.version.as_str())
            .unwrap_or_default();
        match version {
            "" => Err(GeneratorError::Request(format!(
                "the container {:?} has no kernel below /usr/lib/modules, and a medium needs one",
                self.info.imgref
            ))),
            version => Ok(Kernel::Container(version.into())),
        }
    }

    fn payload(&self) -> Result<Option<Payload>, GeneratorError> {
        let request = match self.request.image_type.kind {
            Kind::BootcLive => return Ok(None),
            Kind::BootcInstaller => self.other_container().ok_or_else(|| {
                GeneratorError::Request(
                    "options.bootc.installer_payload_ref: required, it names the container to install".into(),
                )
            })?,
            _ => self.container(),
        };
        Ok(Some(Payload::Container {
            request,
            root_fs: self.info.default_root_fs.clone(),
        }))
    }

    fn directories(&self) -> Vec<String> {
        let mut directories = ["/images", "/images/pxeboot"].map(String::from).to_vec();
        if self.is_live() {
            directories.push("/LiveOS".into());
        }
        directories
    }

    fn root(&self, pipeline: &str) -> RootFs {
        let filename = match self.request.image_type.kind {
            Kind::BootcLive => "LiveOS/squashfs.img",
            _ => "images/install.img",
        };
        RootFs {
            pipeline: pipeline.into(),
            filename: filename.into(),
            arch: self.medium.arch,
            config: self.medium.config.clone(),
        }
    }

    fn installer(&self, source: SystemSource, kernel: Kernel) -> AnacondaTree {
        AnacondaTree {
            source,
            kernel,
            medium: self.medium.clone(),
            purpose: InstallerUse::Payload(anaconda_modules(&self.request)),
            variant: self.request.image_type.variant.clone(),
            is_final: true,
            language: language(&self.request),
            config: self.request.image_type.installer_config.clone(),
            payload: None,
            flatpaks: Vec::new(),
        }
    }
}

fn menu_entry(number: Option<i64>) -> Result<Option<u32>, GeneratorError> {
    number.map(u32::try_from).transpose().map_err(|_| {
        GeneratorError::Request(
            "the container's menu has a default that is no number of an entry".into(),
        )
    })
}

/// Arguments of the kernel: those by which it finds the medium, then the container's own or else the type's, then the
/// blueprint's.
fn kernel_options(request: &Request<'_>, info: &ContainerInfo, label: &str) -> Vec<String> {
    let mut options = match is_live(request) {
        true => live_options(label),
        false => stage2_options(label, true),
    };
    let own = &info.os.iso.kernel_args;
    if is_live(request) && !own.is_empty() {
        options.extend(own.iter().cloned());
    } else {
        let of_type = request
            .image_type
            .installer_config
            .kernel_options
            .iter()
            .flatten();
        options.extend(of_type.cloned());
    }
    let customizations = &request.blueprint.customizations;
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

/// Whether the container runs from the medium.
fn is_live(request: &Request<'_>) -> bool {
    request.image_type.kind == Kind::BootcLive
}
