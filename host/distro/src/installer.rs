//! What is particular to media: the system of an installer, and the ISO 9660 image itself.
use crate::Arch;
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A template of lorax that changes an installer's system.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LoraxTemplate {
    /// Path below lorax's templates: `99-generic/runtime-cleanup.tmpl`.
    pub path: String,
    /// It runs after the initrd is made, not before.
    #[serde(default)]
    pub after_dracut: bool,
}

/// Packages whose names lorax's templates ask for.
#[derive(Clone, Debug, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Branding {
    /// Package of the release: `fedora-release`.
    pub release: String,
    /// Package of the logos: `fedora-logos`.
    pub logos: String,
}

/// Flatpaks of one registry that a medium carries.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FlatpakPayload {
    /// Name of the remote in the installed system.
    pub remote_name: String,
    /// Address of the registry, with its kind: `oci+https://...`.
    pub url: String,
    /// References, in order.
    pub references: Vec<String>,
}

/// Settings of an installer's own system.
#[derive(Clone, Debug, PartialEq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct InstallerConfig {
    /// Modules for its initrd beside those every installer has, in order: `nvdimm`, `net-lib` ...
    pub dracut_modules: Option<Vec<String>>,
    /// Drivers for its initrd.
    pub dracut_drivers: Option<Vec<String>>,
    /// Paths that are taken out of its initrd.
    pub dracut_remove: Option<Vec<String>>,
    /// Modules of Anaconda (full D-Bus names) beside those every installer with a payload has.
    pub enabled_anaconda_modules: Option<Vec<String>>,
    /// Whether Anaconda is so old that it names them `kickstart-modules` (EL 8).
    pub legacy_anaconda_config: Option<bool>,
    /// Arguments of the kernel beside those the medium needs.
    pub kernel_options: Option<Vec<String>>,
    /// Arguments of the kernel where the installation asks nothing, before those of the blueprint.
    pub unattended_kernel_options: Option<Vec<String>>,
    /// Templates of lorax, in order; absent: the generator itself does what they would do.
    pub lorax_templates: Option<Vec<LoraxTemplate>>,
    /// Package of the build root that has the templates: `lorax-templates-generic`.
    pub lorax_templates_package: Option<String>,
    /// Packages of the build root for this installer alone: `dosfstools`.
    pub build_packages: Option<Vec<String>>,
    /// Names of packages for lorax's templates.
    pub branding: Option<Branding>,
    /// Whether the payload lies in the installer's system, with a kickstart for interactive use, not on the medium.
    pub payload_in_system: Option<bool>,
    /// Flatpaks that the medium carries.
    pub flatpaks: Option<Vec<FlatpakPayload>>,
    /// Services of a live system to enable.
    pub enabled_services: Option<Vec<String>>,
    /// Files of a live system, in the form of a blueprint's (`path`, `data`, `mode`, `user`, `group`).
    pub files: Option<Vec<Value>>,
    /// Home directory of the installer's user; `/root` where nothing is said.
    pub install_home: Option<String>,
    /// Further values of this type, by the names that the generator knows.
    #[schemars(with = "std::collections::BTreeMap<String, Vec<Value>>")]
    pub stages: IndexMap<String, Vec<Value>>,
}

/// What starts a medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum IsoBoot {
    /// UEFI only.
    Uefi,
    /// UEFI, and isolinux for BIOS.
    Isolinux,
    /// UEFI, and GRUB for BIOS.
    Grub2,
    /// GRUB for Open Firmware (POWER).
    Ppc64le,
    /// The loader of IBM Z.
    S390x,
}

impl IsoBoot {
    /// What starts a medium of this architecture where nothing else is said.
    pub fn of(arch: Arch) -> Self {
        match arch {
            Arch::X86_64 => Self::Grub2,
            Arch::Aarch64 | Arch::Riscv64 => Self::Uefi,
            Arch::Ppc64le => Self::Ppc64le,
            Arch::S390x => Self::S390x,
        }
    }

    /// Whether UEFI firmware starts it.
    pub fn uefi(self) -> bool {
        matches!(self, Self::Uefi | Self::Isolinux | Self::Grub2)
    }
}

/// How the root of a medium's system is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RootFsType {
    /// squashfs.
    #[default]
    Squashfs,
    /// squashfs around a disk image with ext4 (`LiveOS/rootfs.img`).
    SquashfsExt4,
    /// EROFS.
    Erofs,
}

/// Settings of a medium.
#[derive(Clone, Debug, PartialEq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct IsoConfig {
    /// What starts it; `IsoBoot::of` the architecture where nothing is said.
    pub boot: Option<IsoBoot>,
    /// How its system is packed; squashfs where nothing is said.
    pub rootfs_type: Option<RootFsType>,
    /// Size of the ext4 inside of a squashfs, in bytes.
    pub rootfs_image_size: Option<u64>,
    /// Compression of a squashfs; `xz` where nothing is said.
    pub rootfs_compression: Option<String>,
    /// Options of the stage `erofs` for its system: `compression`, `options`, `cluster-size`.
    pub erofs: Option<Value>,
    /// Regular expressions of paths that do not go into the packed system; absent: the generator's own.
    pub rootfs_exclude: Option<Vec<String>>,
    /// Files of its system that also lie in its root directory, for people to read: paths without a leading slash.
    pub system_files: Option<Vec<String>>,
    /// Files that are left out of the ISO 9660 file system.
    pub exclude: Option<Vec<String>>,
    /// Publisher in the volume's descriptor.
    pub publisher: Option<String>,
    /// Preparer in the volume's descriptor.
    pub preparer: Option<String>,
    /// Application in the volume's descriptor.
    pub application: Option<String>,
    /// Entry of the menu that is taken without a choice.
    pub menu_default: Option<u32>,
    /// Whether the menu has an entry that tests the medium; it has where nothing is said.
    pub menu_test: Option<bool>,
    /// Whether the menu has entries for trouble; it has where nothing is said.
    pub menu_troubleshooting: Option<bool>,
}
