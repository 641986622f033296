//! Looking into bootable containers: the facts that images of them are made from.
use super::resolution::{Downloads, Shows};
use crate::command_error::{CommandError, Result};
use crate::commands::packages::metadata_cache;
use osbuild_wasm_blueprint::Blueprint;
use osbuild_wasm_blueprint::model::Customizations;
use osbuild_wasm_distro::Arch;
use osbuild_wasm_generator::pipelines::bootc::info::{
    ContainerInfo, KernelInfo, OsInfo, OsRelease,
};
use osbuild_wasm_generator::request::BootcOptions;
use osbuild_wasm_manifest::runner::os_release_value;
use osbuild_wasm_report::Diagnostic;
use osbuild_wasm_resolve::{Resolver, Settings, WantedImage};
use osbuild_wasm_source::{Allowance, Environment, ImageFiles, Look};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::AtomicBool;

const OS_RELEASE: &str = "usr/lib/os-release";
const SELINUX: &str = "etc/selinux/config";
/// How the container wants to be installed, see bootc-install-config(5).
const INSTALL: &str = "usr/lib/bootc/install/";
/// Customizations that it brings.
const CUSTOMIZATIONS: [&str; 2] = [
    "usr/lib/bootc-image-builder/config.toml",
    "usr/lib/bootc-image-builder/config.json",
];
/// Below it are a directory for each version of a kernel, and files of the boot loader, by their vendors.
const MODULES: &str = "usr/lib/modules/";
const EFI: &str = "usr/lib/bootupd/updates/EFI/";
/// Unified kernel images.
const UNIFIED: &str = "boot/EFI/Linux/";
/// What a bootable container has in its configuration; the second is the older one.
const LABELS: [(&str, &str); 2] = [("containers.bootc", "1"), ("ostree.bootable", "true")];

/// A bootable container that is looked into.
#[derive(Debug, Clone)]
pub(crate) struct Container<'a> {
    /// Its reference; behind `docker://` it is that of a registry, else one of the container storage of this machine.
    pub(crate) reference: &'a str,
    /// Architecture; that of this machine when it is not given.
    pub(crate) arch: Option<Arch>,
    /// File system of the root in place of the one that it wants.
    pub(crate) default_fs: Option<&'a str>,
    /// Directory for what is fetched; one of the user's cache when it is not given.
    pub(crate) cache: Option<&'a Path>,
}

impl Container<'_> {
    /// The facts about it.
    ///
    /// # Errors
    /// It is not to be had, is no bootable container, or says what cannot be read.
    pub(crate) fn facts(&self) -> Result<ContainerInfo> {
        let wanted = WantedImage {
            reference: name(self.reference),
            arch: self.arch.map_or(std::env::consts::ARCH, Arch::name),
            verify_tls: true,
            local: !is_remote(self.reference),
        };
        let cache = metadata_cache(self.cache)?;
        let (environment, cancel) = (Environment::of_process(), AtomicBool::new(false));
        let downloads = Downloads::new(Shows::Problems);
        let resolver = Resolver::new(Settings {
            cache: &cache,
            solver: None,
            environment: &environment,
            allowance: &|_| Allowance::EVERYTHING,
            observer: &downloads,
            cancel: &cancel,
        })?;
        let found = resolver.image(&wanted)?;
        let files = resolver.image_files(&wanted, &found, &look)?;
        let facts = self.read(&found.id, &files);
        facts.map_err(|problem| {
            let about = format!("the image {}: {problem}", self.reference);
            CommandError::failed(Diagnostic::new(about))
        })
    }

    fn read(&self, id: &str, image: &ImageFiles) -> Result<ContainerInfo, String> {
        let config: Value = serde_json::from_slice(&image.config)
            .map_err(|error| format!("its configuration cannot be read: {error}"))?;
        let label = |(name, value): &(&str, &str)| config["config"]["Labels"][*name] == *value;
        if !LABELS.iter().any(label) {
            let [(name, value), _] = LABELS;
            return Err(format!(
                "it is no bootable container: it has no label {name}={value}"
            ));
        }
        let arch = architecture(config["architecture"].as_str().unwrap_or_default());
        if let Some(wanted) = self.arch.filter(|wanted| wanted.name() != arch) {
            return Err(format!("it is for {arch}, and {wanted} is asked for"));
        }
        let kernels = kernels(image)?;
        Ok(ContainerInfo {
            imgref: name(self.reference).to_owned(),
            image_id: id.to_owned(),
            os: OsInfo {
                release: os_release(image)?,
                uefi_vendor: uefi_vendor(image),
                selinux_policy: text(image, SELINUX)?
                    .and_then(|text| os_release_value(text, "SELINUXTYPE"))
                    .unwrap_or_default(),
                image_customization: customizations(image)?,
                kernel_info: kernels.first,
                ..OsInfo::default()
            },
            arch: arch.to_owned(),
            default_root_fs: match self.default_fs {
                Some(name) => name.to_owned(),
                None => root_file_system(image)?,
            },
            size: image.bytes,
            unified_kernel: kernels.unified,
            bootloader: None,
        })
    }
}

/// How references of images in registries begin, as for skopeo.
const REGISTRY: &str = "docker://";

fn is_remote(reference: &str) -> bool {
    reference.starts_with(REGISTRY)
}

/// The reference without what says where it is.
fn name(reference: &str) -> &str {
    reference.strip_prefix(REGISTRY).unwrap_or(reference)
}

/// How these containers become an image; all of them are in registries, or none.
///
/// # Errors
/// Some are, and others are not.
pub(crate) fn bootc_options(
    image: &str,
    build: Option<&str>,
    payload: Option<&str>,
) -> Result<BootcOptions> {
    let mut others = build.iter().chain(&payload);
    if let Some(other) = others.find(|other| is_remote(other) != is_remote(image)) {
        let problem = format!(
            "of {image} and {other} one is in a registry, and the other in the storage of this machine"
        );
        let hint = format!("take both from the same: write {REGISTRY} before both, or pull both");
        return Err(CommandError::invalid(Diagnostic::new(problem).hint(hint)));
    }
    Ok(BootcOptions {
        installer_payload_ref: payload.map_or("", name).to_owned(),
        use_remote_container_source: is_remote(image),
        ..BootcOptions::default()
    })
}

/// What of the files of a container says something.
fn look(path: &str) -> Option<Look> {
    let is_toml = path.starts_with(INSTALL) && path.ends_with(".toml");
    if is_toml || [OS_RELEASE, SELINUX].contains(&path) || CUSTOMIZATIONS.contains(&path) {
        return Some(Look::Content);
    }
    let of_kernel = path
        .strip_prefix(MODULES)
        .and_then(|path| path.split_once('/'));
    let of_kernel = of_kernel.is_some_and(|(version, name)| is_of_kernel(version, name));
    let is_unified = path.starts_with(UNIFIED) && path.ends_with(".efi");
    (of_kernel || is_unified || path.starts_with(EFI)).then_some(Look::Name)
}

fn is_of_kernel(version: &str, name: &str) -> bool {
    matches!(name, "vmlinuz" | "aboot.img") || name == format!("{version}.efi")
}

/// A file as text; none where it is not there.
fn text<'a>(image: &'a ImageFiles, path: &str) -> Result<Option<&'a str>, String> {
    let content = image.files.get(path);
    content
        .map(|content| std::str::from_utf8(content).map_err(|_| format!("its /{path} is no text")))
        .transpose()
}

/// The name that RPM has for an architecture of containers.
fn architecture(name: &str) -> &str {
    match name {
        "amd64" => "x86_64",
        "arm64" => "aarch64",
        other => other,
    }
}

fn os_release(image: &ImageFiles) -> Result<OsRelease, String> {
    let release = text(image, OS_RELEASE)?.ok_or_else(|| format!("it has no /{OS_RELEASE}"))?;
    let value = |key| os_release_value(release, key).unwrap_or_default();
    Ok(OsRelease {
        platform_id: value("PLATFORM_ID"),
        id: value("ID"),
        version_id: value("VERSION_ID"),
        name: value("NAME"),
        variant_id: value("VARIANT_ID"),
        id_like: value("ID_LIKE")
            .split_whitespace()
            .map(str::to_owned)
            .collect(),
    })
}

/// The kernel of a container.
struct Kernels {
    first: Option<KernelInfo>,
    unified: bool,
}

fn kernels(image: &ImageFiles) -> Result<Kernels, String> {
    let has = |path: String| image.files.contains_key(&path);
    let below = image
        .files
        .keys()
        .filter_map(|path| path.strip_prefix(MODULES));
    let versions: BTreeSet<_> = below
        .filter_map(|path| Some(path.split_once('/')?.0))
        .collect();
    let is_unified = |version: &&str| has(format!("{MODULES}{version}/{version}.efi"));
    let unified =
        versions.iter().any(is_unified) || image.files.keys().any(|path| path.starts_with(UNIFIED));
    let plain = |version: &&&str| has(format!("{MODULES}{version}/vmlinuz"));
    let mut bootable = versions.iter().filter(plain);
    match (bootable.next(), bootable.next()) {
        (Some(one), Some(other)) => Err(format!(
            "it has several kernels, {one} and {other}: a bootable container has one"
        )),
        (None, _) if !unified => Err(format!(
            "it has no kernel: there is no /{MODULES}VERSION/vmlinuz"
        )),
        (one, _) => Ok(Kernels {
            first: one.or(versions.first()).map(|version| KernelInfo {
                version: (*version).to_owned(),
                has_aboot_img: has(format!("{MODULES}{version}/aboot.img")),
            }),
            unified: unified && one.is_none(),
        }),
    }
}

/// The directory of the vendor of its boot loader; `BOOT` is that of nobody.
fn uefi_vendor(image: &ImageFiles) -> String {
    let below = image.files.keys().filter_map(|path| path.strip_prefix(EFI));
    let mut directories = below.filter_map(|path| Some(path.split_once('/')?.0));
    let vendor = directories.find(|name| !name.eq_ignore_ascii_case("BOOT"));
    vendor.unwrap_or_default().to_owned()
}

/// The file system that its install configuration names for the root; of several files the last that names one, by their names. Empty: none.
fn root_file_system(image: &ImageFiles) -> Result<String, String> {
    let mut chosen = String::new();
    for path in image.files.keys().filter(|path| path.starts_with(INSTALL)) {
        let config = text(image, path)?.unwrap_or_default();
        let config: toml::Table =
            toml::from_str(config).map_err(|error| format!("its /{path}: {}", error.message()))?;
        let Some(install) = config.get("install") else {
            continue;
        };
        let of_root = install
            .get("filesystem")
            .and_then(|of| of.get("root")?.get("type"));
        let named = of_root.or_else(|| install.get("root-fs-type"));
        if let Some(name) = named.and_then(toml::Value::as_str) {
            name.clone_into(&mut chosen);
        }
    }
    Ok(chosen)
}

/// The customizations that it brings.
fn customizations(image: &ImageFiles) -> Result<Option<Customizations>, String> {
    for path in CUSTOMIZATIONS {
        let Some(content) = text(image, path)? else {
            continue;
        };
        let parsed = match path.ends_with(".toml") {
            true => Blueprint::from_toml(content),
            false => Blueprint::from_json(content),
        };
        let parsed = parsed.map_err(|problems| {
            let first = problems
                .first()
                .map_or("", |problem| problem.message.as_str());
            format!("its /{path}: {first}")
        })?;
        let customizations = parsed.blueprint.customizations;
        let mut files = customizations.files.iter();
        if let Some(file) = files.find(|file| file.uri.is_some()) {
            return Err(format!(
                "its /{path}: the file {} has a `uri`, and the files of this machine are nothing to it",
                file.path
            ));
        }
        return Ok(Some(customizations));
    }
    Ok(None)
}
