//! A blueprint as plain data. Field names of the documents are those of the fields, where nothing else is said.
//!
//! In documents `null`, and an empty text where a text may be left out, are the same as a key that is not there. What is optional is
//! absent from what is written when it is not set.

mod customizations;
mod disk;
mod firstboot;
mod image;
mod scalars;
mod services;
mod software;
mod tagged;
mod tree;
mod users;

pub use customizations::Customizations;
pub use disk::{
    BtrfsVolume, Disk, FileSystem, FsType, LogicalVolume, LvmVolumeGroup, Partition,
    PartitionTable, PartitioningMode, PlainPartition, Subvolume,
};
pub use firstboot::{AapScript, CustomScript, Firstboot, FirstbootScript, SatelliteScript};
pub use image::{
    Bootloader, ContainersStorage, Fdo, Flatpak, FlatpakRegistry, Flatpaks, Grub2, Ignition,
    IgnitionEmbedded, IgnitionFirstboot, Installer, InstallerBootloader, InstallerGrub2,
    InstallerModules, InstallerPayload, Iso, Kernel, Kickstart,
};
pub(crate) use scalars::integer;
pub use scalars::{Mode, Owner, Size};
pub use services::{
    Cacerts, Firewall, FirewallServices, FirewallZone, JsonTailoring, Locale, Openscap,
    PermitRootLogin, Services, Sshd, Tailoring, Timezone,
};
pub use software::{
    Dnf, DnfConfig, DnfPlugin, DnfPlugins, ImportKeys, Repository, Rhsm, RhsmCertd, RhsmConfig,
    RhsmSection, Rpm, SubscriptionManager,
};
pub use tree::{Directory, File};
pub use users::{Group, SshKey, User};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an image shall be: packages and customizations, independent of the distribution and the kind of image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Blueprint {
    /// Name of the blueprint. Services keep blueprints by name and need one.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(length(min = 1))]
    pub name: String,
    /// What the blueprint is for, for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Semantic version, `MAJOR.MINOR.PATCH`; when it is not given, services use `0.0.0`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// Packages to install beside those of the image type.
    pub packages: Vec<Package>,
    /// The same as `packages`; an older name.
    pub modules: Vec<Package>,
    /// Module streams that packages may come from.
    pub enabled_modules: Vec<EnabledModule>,
    /// Package groups to install.
    pub groups: Vec<PackageGroup>,
    /// Container images to put into the image.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub containers: Vec<Container>,
    /// Changes to the system.
    #[serde(skip_serializing_if = "Customizations::is_empty")]
    pub customizations: Customizations,
    /// Distribution that the blueprint is for, e.g. `fedora-43`; that of the machine when it is not given.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub distro: String,
    /// Architecture that the blueprint is for, e.g. `x86_64`; that of the machine when it is not given.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub architecture: String,
}

impl Blueprint {
    /// What the solver is asked for: packages, modules, `@groups`, in this order. The kernel is not among them.
    pub fn package_specs(&self) -> Vec<String> {
        let packages = self.packages.iter().chain(&self.modules).map(Package::spec);
        packages
            .chain(self.groups.iter().map(PackageGroup::spec))
            .collect()
    }
}

/// A package.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// Name of the package, which may have wildcards.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Version, which may have wildcards; the newest when it is not given or `*`.
    pub version: Option<String>,
}

impl Package {
    /// What the solver is asked for: `name`, or `name-version` where a version is wanted.
    pub fn spec(&self) -> String {
        match self.version.as_deref() {
            None | Some("" | "*") => self.name.clone(),
            Some(version) => format!("{}-{version}", self.name),
        }
    }
}

/// A stream of a module (of the repository format, not of this program).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnabledModule {
    /// Name of the module.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Stream of the module; its default stream when it is not given.
    pub stream: Option<String>,
}

impl EnabledModule {
    /// What the solver is asked for: `name:stream`.
    pub fn spec(&self) -> String {
        format!("{}:{}", self.name, self.stream.as_deref().unwrap_or(""))
    }
}

/// A group of packages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PackageGroup {
    /// Id of the group, e.g. `core`.
    #[schemars(length(min = 1))]
    pub name: String,
}

impl PackageGroup {
    /// What the solver is asked for: `@name`.
    pub fn spec(&self) -> String {
        format!("@{}", self.name)
    }
}

/// A container image that the system has in its storage from the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Container {
    /// Where the image comes from, e.g. `registry.example.org/ns/app:tag`.
    #[schemars(length(min = 1))]
    pub source: String,
    /// Name under which it is stored; its source when it is not given.
    pub name: Option<String>,
    /// Whether the certificate of the registry is checked; it is when this is not given.
    #[schemars(extend("x-aliases" = ["tls_verify"]))]
    pub tls_verify: Option<bool>,
    /// Whether the image comes from the container storage of the machine that builds.
    pub local_storage: Option<bool>,
}

/// For fields that are left out when they are false.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands out references"
)]
fn is_false(value: &bool) -> bool {
    !value
}
