//! An image type of one distribution on one architecture, with inheritance and conditions decided.
use crate::{InstallerConfig, IsoConfig, PartitionTable};
use indexmap::IndexMap;
use osbuild_wasm_blueprint::model::{Directory, File};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Which chain of pipelines makes a type.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A disk with partitions.
    Disk,
    /// An archive of a container.
    Container,
    /// An archive of the tree.
    Tar,
    /// An archive of an OSTree commit.
    OstreeCommit,
    /// A container that serves an OSTree commit.
    OstreeContainer,
    /// A container made of an OSTree commit, from which a machine boots.
    BootableContainer,
    /// A disk on which an OSTree commit is deployed.
    OstreeDisk,
    /// A medium that installs the tree it carries.
    ImageInstaller,
    /// A medium that installs the OSTree commit it carries.
    OstreeInstaller,
    /// A medium that installs from the network.
    NetworkInstaller,
    /// A medium from which a system runs and can be installed.
    LiveInstaller,
    /// A medium that writes the disk it carries.
    OstreeSimplifiedInstaller,
    /// Kernel, initrd and root for a boot over the network.
    PxeTar,
    /// A disk on which a bootable container is installed, in all formats.
    BootcDisk,
    /// A medium with an installer made of packages that installs the bootable container it carries.
    BootcPackageInstaller,
    /// A medium with a bootable container that is an installer, and installs another one.
    BootcInstaller,
    /// A medium from which a bootable container runs.
    BootcLive,
}

/// Last step of a type: how its file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// xz.
    Xz,
    /// Zstandard.
    Zstd,
    /// gzip.
    Gzip,
}

/// How firmware starts a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BootMode {
    /// It does not boot.
    None,
    /// BIOS, or what an architecture has in its place.
    Legacy,
    /// UEFI.
    Uefi,
    /// Both.
    Hybrid,
}

impl BootMode {
    /// Its name: `none`, `legacy`, `uefi`, `hybrid`.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Legacy => "legacy",
            Self::Uefi => "uefi",
            Self::Hybrid => "hybrid",
        }
    }
}

/// Program that loads the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Bootloader {
    /// None.
    #[default]
    None,
    /// GRUB 2.
    Grub2,
    /// A unified kernel image.
    Uki,
    /// systemd-boot.
    SystemdBoot,
}

/// Format of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ImageFormat {
    /// Not a disk.
    #[default]
    Unset,
    /// Bytes of the disk.
    Raw,
    /// QEMU's format.
    Qcow2,
    /// Microsoft's format.
    Vhd,
    /// VMware's format.
    Vmdk,
    /// Tar archive of a disk, for Google's cloud.
    Gce,
    /// Archive of a VMDK with its description.
    Ova,
    /// Vagrant's archive for libvirt.
    VagrantLibvirt,
    /// Vagrant's archive for VirtualBox.
    VagrantVirtualbox,
    /// A medium.
    Iso,
}

/// A file copied beside the bootloader.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BootFile {
    /// Path in the tree it comes from.
    pub src: String,
    /// Path on the disk.
    pub dst: String,
    /// It comes from the build root, not from the system.
    #[serde(default)]
    pub from_build: bool,
}

/// Hardware and firmware an image is for.
#[derive(Clone, Debug, PartialEq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Platform {
    /// Directory below `/EFI`; empty: no UEFI.
    pub uefi_vendor: String,
    /// Platform of GRUB for BIOS: `i386-pc`, `powerpc-ieee1275`; empty: none.
    pub bios_platform: String,
    /// Whether zipl makes it start (IBM Z).
    pub zipl: bool,
    /// Bootloader.
    pub bootloader: Bootloader,
    /// Format of the disk.
    pub image_format: ImageFormat,
    /// `compat` of QEMU's format.
    pub qcow2_compat: String,
    /// Packages of the system that the firmware asks for.
    pub packages: Vec<String>,
    /// Packages of the build root.
    pub build_packages: Vec<String>,
    /// Files beside the bootloader.
    pub boot_files: Vec<BootFile>,
    /// Whether the medium's menu has an entry for FIPS.
    pub fips_menu: bool,
    /// Further architectures of UEFI firmware to serve: `ia32`.
    pub extra_uefi_arches: Vec<String>,
}

impl Platform {
    /// How firmware starts an image of this platform.
    pub fn boot_mode(&self) -> BootMode {
        match (
            !self.uefi_vendor.is_empty(),
            !self.bios_platform.is_empty() || self.zipl,
        ) {
            (true, true) => BootMode::Hybrid,
            (true, false) => BootMode::Uefi,
            (false, true) => BootMode::Legacy,
            (false, false) => BootMode::None,
        }
    }
}

/// Names for the solver.
#[derive(Clone, Debug, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PackageSet {
    /// To install, sorted.
    pub include: Vec<String>,
    /// Not to install, sorted.
    pub exclude: Vec<String>,
}

/// What a type adds because of where its images run.
#[derive(Clone, Debug, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Environment {
    /// Packages of the system.
    pub packages: Vec<String>,
    /// Services to enable.
    pub services: Vec<String>,
}

/// Values of OSTree where a request has none.
#[derive(Clone, Debug, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OstreeDefaults {
    /// Name of the deployment (`osname`).
    pub name: String,
    /// Ref, with the templates filled in.
    #[serde(rename = "ref")]
    pub reference: String,
    /// URL of the repository; empty: a request has to name it.
    pub url: String,
    /// Name of the remote in the deployed system.
    pub remote_name: String,
    /// Whether the remote is set up in the deployed system; else the commit brings its configuration.
    pub configure_remote: bool,
}

/// How a disk may be divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PartitioningMode {
    /// LVM where file systems are added, plain otherwise.
    #[default]
    AutoLvm,
    /// Plain partitions.
    Raw,
    /// LVM always.
    Lvm,
    /// Subvolumes of a btrfs.
    Btrfs,
}

impl PartitioningMode {
    /// Its name: `auto-lvm`, `raw`, `lvm`, `btrfs`.
    pub fn name(self) -> &'static str {
        match self {
            Self::AutoLvm => "auto-lvm",
            Self::Raw => "raw",
            Self::Lvm => "lvm",
            Self::Btrfs => "btrfs",
        }
    }
}

/// How a system finds its file systems.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MountConfiguration {
    /// `/etc/fstab`.
    #[default]
    Fstab,
    /// Mount units of systemd.
    Units,
    /// Nothing is written.
    None,
}

/// Program that writes the label of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PartitionTool {
    /// Both kinds of labels.
    #[default]
    Sfdisk,
    /// GPT only.
    Sgdisk,
}

/// How a disk is made.
#[derive(Clone, Debug, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DiskConfig {
    /// Program that writes the label.
    pub partition_tool: PartitionTool,
    /// How the system finds its file systems.
    pub mount_configuration: Option<MountConfiguration>,
    /// Force the exact size of a VHD (`force_size` of the stage qemu), where it is said.
    pub vpc_force_size: Option<bool>,
    /// Description in an OVA: operating system and version of the virtual hardware.
    pub vmware: Option<Value>,
}

/// Settings of the system in an image: defaults that a blueprint's customizations go over.
#[derive(Clone, Debug, PartialEq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ImageConfig {
    /// Language.
    pub locale: Option<String>,
    /// Time zone.
    pub timezone: Option<String>,
    /// Host name.
    pub hostname: Option<String>,
    /// Options of the stage `keymap`.
    pub keyboard: Option<Value>,
    /// Options of the stage `chrony`.
    pub time_synchronization: Option<Value>,
    /// Arguments of the kernel, in order.
    pub kernel_options: Option<Vec<String>>,
    /// Whether the bootloader's configuration carries the kernel's arguments, so that no `kernel-cmdline` is written.
    pub kernel_options_bootloader: Option<bool>,
    /// Package of the kernel that is installed where a blueprint names none; `kernel` where nothing is said.
    pub default_kernel: Option<String>,
    /// Options of the stage `grub2`'s `config` beside `default`; of `grub2.legacy`'s beside `cmdline`.
    pub grub2_config: Option<Value>,
    /// Whether entries of the bootloader are not BLS (EL 7).
    pub no_bls: Option<bool>,
    /// Unit to boot into.
    pub default_target: Option<String>,
    /// Services to enable, in order.
    pub enabled_services: Option<Vec<String>>,
    /// Services to disable.
    pub disabled_services: Option<Vec<String>>,
    /// Services to mask.
    pub masked_services: Option<Vec<String>>,
    /// Options of the stage `firewall`.
    pub firewall: Option<Value>,
    /// Users of the type itself: options of the stage `users`, by name.
    #[schemars(with = "Option<std::collections::BTreeMap<String, Value>>")]
    pub users: Option<IndexMap<String, Value>>,
    /// Lock root's password.
    pub lock_root_user: Option<bool>,
    /// Directories of the type itself, in the form of a blueprint's.
    pub directories: Option<Vec<Directory>>,
    /// Files of the type itself, in the form of a blueprint's.
    pub files: Option<Vec<File>>,
    /// No SELinux labels.
    pub no_selinux: Option<bool>,
    /// SELinux policy; `targeted` where nothing is said.
    pub selinux_policy: Option<String>,
    /// Relabel on first boot (`force_autorelabel`).
    pub selinux_force_relabel: Option<bool>,
    /// Leave documentation out of packages.
    pub exclude_docs: Option<bool>,
    /// Languages whose files packages keep.
    pub install_langs: Option<Vec<String>>,
    /// Keys that packages bring and that are imported from the tree.
    pub gpgkey_files: Option<Vec<String>>,
    /// `bin_path` of another `rpmkeys` in the build root.
    pub rpmkeys_path: Option<String>,
    /// Whether keys that the build root's rpm refuses are passed over.
    pub ignore_key_import_failures: Option<bool>,
    /// Root of the boot file system for `kernel-install`.
    pub kernel_install_boot_root: Option<String>,
    /// Leave `/etc/machine-id` uninitialized, so that first boot is seen as such.
    pub machine_id_uninitialized: Option<bool>,
    /// How the system finds its file systems.
    pub mount_configuration: Option<MountConfiguration>,
    /// Options of the stage `rhsm`, without and with a subscription.
    pub rhsm: Option<Value>,
    /// Options of the stage `rhsm` where a subscription is requested.
    pub rhsm_subscribed: Option<Value>,
    /// Set `releasever` in the configuration of DNF to the version.
    pub dnf_set_releasever: Option<bool>,
    /// Packages whose installed version is locked.
    pub version_locks: Option<Vec<String>>,
    /// Presets of systemd, in order: `name` and `state`.
    pub presets: Option<Vec<Value>>,
    /// Write the metadata of bootupd.
    pub bootupd: Option<bool>,
    /// Options of the stage `bootc.install.config`.
    pub bootc_install: Option<Value>,
    /// Configuration of a container, by the keys of OCI images.
    pub container: Option<Value>,
    /// First boot by Ignition: where a deployment waits for it.
    pub ignition_platform: Option<String>,
    /// Whether a deployed OSTree system keeps `/sysroot` read-only.
    pub ostree_sysroot_readonly: Option<bool>,
    /// Options of further stages, by name without `org.osbuild.`; each entry of a list is a stage, in the order of the
    /// manifest. Where they stand among the others is the generator's order.
    #[schemars(with = "std::collections::BTreeMap<String, Vec<Value>>")]
    pub stages: IndexMap<String, Vec<Value>>,
}

/// A type of image of one distribution on one architecture.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImageType {
    /// Name.
    pub name: String,
    /// Further names.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// Name of the file that comes out.
    pub filename: String,
    /// MIME type of the file.
    pub mime_type: String,
    /// Which pipelines make it.
    pub kind: Kind,
    /// Pipelines whose trees come out.
    pub exports: Vec<String>,
    /// Size of the disk in bytes where a request has none; 0: from its content.
    #[serde(default)]
    pub default_size: u64,
    /// How the file is compressed.
    #[serde(default)]
    pub compression: Option<Compression>,
    /// Whether it has a kernel.
    #[serde(default)]
    pub bootable: bool,
    /// Whether it is a medium.
    #[serde(default)]
    pub boot_iso: bool,
    /// Label of the medium, with the templates filled in.
    #[serde(default)]
    pub iso_label: String,
    /// Variant in the installer: `edge`, `Server`.
    #[serde(default)]
    pub variant: String,
    /// Hardware.
    pub platform: Platform,
    /// Partitions before any customization.
    #[serde(default)]
    pub partition_table: Option<PartitionTable>,
    /// Least sizes of directories in bytes; absent: the generator's own, empty: none.
    #[serde(default)]
    #[schemars(with = "Option<std::collections::BTreeMap<String, u64>>")]
    pub required_partition_sizes: Option<IndexMap<String, u64>>,
    /// Ways of dividing the disk that a request may ask for; empty: all.
    #[serde(default)]
    pub partitioning_modes: Vec<PartitioningMode>,
    /// Packages by set: `os`, `installer`, `container`.
    #[serde(default)]
    #[schemars(with = "std::collections::BTreeMap<String, PackageSet>")]
    pub package_sets: IndexMap<String, PackageSet>,
    /// Whether weak dependencies of the base packages are installed.
    #[serde(default)]
    pub install_weak_deps: bool,
    /// Where images run.
    #[serde(default)]
    pub environment: Environment,
    /// Settings of the system, the distribution's below the type's.
    #[serde(default)]
    pub image_config: ImageConfig,
    /// Settings of the installer.
    #[serde(default)]
    pub installer_config: InstallerConfig,
    /// Settings of the medium.
    #[serde(default)]
    pub iso_config: IsoConfig,
    /// How the disk is made.
    #[serde(default)]
    pub disk_config: DiskConfig,
    /// Values of OSTree.
    #[serde(default)]
    pub ostree: Option<OstreeDefaults>,
    /// Keys of a blueprint that have an effect, dotted.
    #[serde(default)]
    pub supported_options: Vec<String>,
    /// Keys that a blueprint must have, dotted.
    #[serde(default)]
    pub required_options: Vec<String>,
}
