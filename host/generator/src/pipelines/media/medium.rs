//! What all pipelines of a medium know of it.
use super::KERNEL_DIRECTORY;
use crate::manifest::Stage;
use crate::request::Request;
use osbuild_wasm_distro::{Arch, IsoBoot, IsoConfig};
use serde_json::{Map, Value, json};

/// A medium: its names, and what its loaders show and start.
#[derive(Clone, Debug)]
pub struct Medium {
    /// Architecture it boots on.
    pub arch: Arch,
    /// What starts it.
    pub boot: IsoBoot,
    /// Name of the product in the menu.
    pub product: String,
    /// Version of the product in the menu.
    pub version: String,
    /// Label of the volume, by which its own kernel finds it.
    pub label: String,
    /// Name of its file.
    pub filename: String,
    /// Directory below `/EFI` that the build root's loaders are in; empty: the stage looks for it.
    pub uefi_vendor: String,
    /// Further architectures of UEFI firmware: `ia32`.
    pub extra_uefi_arches: Vec<String>,
    /// Packages of the build root that its hardware asks for.
    pub build_packages: Vec<String>,
    /// Arguments of the kernel.
    pub kernel_options: Vec<String>,
    /// Whether the menu has an entry for FIPS.
    pub fips_menu: bool,
    /// Seconds that the menu waits.
    pub menu_timeout: Option<i64>,
    /// Further entries of the menu: `name`, `linux`, `initrd`.
    pub menu_entries: Vec<Value>,
    /// How it is written.
    pub config: IsoConfig,
}

impl Medium {
    /// The medium that is asked for, with these arguments of the kernel.
    pub fn of(request: &Request<'_>, kernel_options: Vec<String>) -> Self {
        let image_type = request.image_type;
        let customizations = &request.blueprint.customizations;
        let iso = customizations.iso.clone().unwrap_or_default();
        let mut config = image_type.iso_config.clone();
        config.publisher = given(iso.publisher).or(config.publisher);
        config.application = given(iso.application_id).or(config.application);
        let loader = customizations.installer.as_ref();
        let loader = loader.and_then(|installer| installer.bootloader.as_ref()?.grub2.as_ref());
        Self {
            arch: request.arch,
            boot: config.boot.unwrap_or_else(|| IsoBoot::of(request.arch)),
            product: request.distro.product.clone(),
            version: request.distro.os_version.clone(),
            label: label(request),
            filename: image_type.filename.clone(),
            uefi_vendor: image_type.platform.uefi_vendor.clone(),
            extra_uefi_arches: image_type.platform.extra_uefi_arches.clone(),
            build_packages: image_type.platform.build_packages.clone(),
            kernel_options,
            fips_menu: image_type.platform.fips_menu,
            menu_timeout: loader.and_then(|grub2| grub2.menu_timeout),
            menu_entries: Vec::new(),
            config,
        }
    }

    /// `PRODUCT VERSION`, as `.discinfo` has it.
    pub fn release(&self) -> String {
        format!("{} {}", self.product, self.version)
    }

    /// The stage that says what product a tree of the medium installs.
    pub(super) fn buildstamp(&self, variant: &str, is_final: bool) -> Stage {
        Stage::new(
            "buildstamp",
            json!({
                "arch": self.arch,
                "product": self.product,
                "version": self.version,
                "final": is_final,
                "variant": variant,
                "bugurl": "",
            }),
        )
    }

    /// Product and kernel: what a menu of any loader starts with.
    pub(super) fn menu(&self) -> Map<String, Value> {
        let mut menu = Map::new();
        menu.insert(
            "product".into(),
            json!({"name": self.product, "version": self.version}),
        );
        menu.insert(
            "kernel".into(),
            json!({"dir": KERNEL_DIRECTORY, "opts": self.kernel_options}),
        );
        menu
    }

    /// Adds to a menu of GRUB what follows the loader's own options: the entries and which of them is chosen.
    pub(super) fn add_entries(&self, menu: &mut Map<String, Value>) {
        if self.fips_menu {
            menu.insert("fips".into(), true.into());
        }
        let troubleshooting = self.config.menu_troubleshooting.unwrap_or(true);
        menu.insert("troubleshooting".into(), troubleshooting.into());
        menu.insert("test".into(), self.config.menu_test.unwrap_or(true).into());
        menu.insert("install".into(), true.into());
        if !self.menu_entries.is_empty() {
            menu.insert("custom".into(), json!(self.menu_entries));
        }
    }

    /// Adds to a menu of GRUB which entry is chosen, and when.
    pub(super) fn add_choice(&self, menu: &mut Map<String, Value>) {
        let mut choice = Map::new();
        if let Some(entry) = self.config.menu_default {
            choice.insert("default".into(), entry.into());
        }
        if let Some(seconds) = self.menu_timeout {
            choice.insert("timeout".into(), seconds.into());
        }
        if !choice.is_empty() {
            menu.insert("config".into(), choice.into());
        }
    }
}

/// Label of the volume: the blueprint's, else the type's.
pub(super) fn label(request: &Request<'_>) -> String {
    let iso = request.blueprint.customizations.iso.as_ref();
    given(iso.and_then(|iso| iso.volume_id.clone()))
        .unwrap_or_else(|| request.image_type.iso_label.clone())
}

/// A text that says something.
fn given(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}
