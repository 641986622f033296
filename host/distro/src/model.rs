//! A distribution, with the conditions of its definition decided.
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A processor architecture, as RPM and the manifests name it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Arch {
    /// 64-bit x86.
    #[serde(rename = "x86_64")]
    X86_64,
    /// 64-bit ARM.
    Aarch64,
    /// 64-bit POWER, little endian.
    Ppc64le,
    /// IBM Z.
    S390x,
    /// 64-bit RISC-V.
    Riscv64,
}

impl Arch {
    /// All of them, in the order of listings.
    pub const ALL: [Self; 5] = [
        Self::Aarch64,
        Self::Ppc64le,
        Self::Riscv64,
        Self::S390x,
        Self::X86_64,
    ];

    /// Its name: `x86_64`, `aarch64` ...
    pub fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
            Self::Ppc64le => "ppc64le",
            Self::S390x => "s390x",
            Self::Riscv64 => "riscv64",
        }
    }

    /// The architecture of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|arch| arch.name() == name)
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whose habits a distribution follows: names of packages and stages that differ between families.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema,
)]
pub enum DistroLike {
    /// Fedora.
    #[serde(rename = "fedora")]
    Fedora,
    /// Fedora ELN.
    #[serde(rename = "eln")]
    Eln,
    /// Red Hat Enterprise Linux 7 and its relatives.
    #[serde(rename = "rhel-7")]
    El7,
    /// Red Hat Enterprise Linux 8 and its relatives.
    #[serde(rename = "rhel-8")]
    El8,
    /// Red Hat Enterprise Linux 9, CentOS Stream 9 and their relatives.
    #[serde(rename = "rhel-9")]
    El9,
    /// Red Hat Enterprise Linux 10, CentOS Stream 10 and their relatives.
    #[serde(rename = "rhel-10")]
    El10,
}

/// What runs the stages of a build root, and what it needs there.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Runner {
    /// Name of the runner in manifests: `org.osbuild.fedora43`.
    pub name: String,
    /// Packages of the build root that the runner needs, in this order.
    pub build_packages: Vec<String>,
}

/// One distribution in one version.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Distro {
    /// Canonical name: `fedora-43`, `rhel-9.4`.
    pub name: String,
    /// Family.
    pub like: DistroLike,
    /// Version of the operating system, as titles and ostree commits have it: `43`, `9.4`, `10-stream`.
    pub os_version: String,
    /// Value of `releasever` in repositories.
    pub release_version: String,
    /// Module platform of the solver: `platform:f43`.
    pub module_platform_id: String,
    /// Product name in installers: `Fedora`.
    pub product: String,
    /// Code name of the release, often empty.
    #[serde(default)]
    pub codename: String,
    /// Directory of the vendor below `/EFI`; an image type's platform can have another.
    #[serde(default)]
    pub vendor: String,
    /// Whether this version is not released yet.
    #[serde(default)]
    pub preview: bool,
    /// Runner of build roots.
    pub runner: Runner,
    /// Whether there is no SELinux policy: neither build roots nor systems are labelled.
    #[serde(default)]
    pub no_selinux: bool,
    /// File system of a partition that names none: `ext4`, `xfs`, `btrfs`.
    #[serde(default)]
    pub default_fs_type: String,
    /// Container to start a build root from, per architecture.
    #[serde(default)]
    #[schemars(with = "std::collections::BTreeMap<Arch, String>")]
    pub bootstrap_containers: IndexMap<Arch, String>,
    /// Profiles of OpenSCAP that blueprints may name; empty means none.
    #[serde(default)]
    pub oscap_profiles: Vec<String>,
    /// Data stream of OpenSCAP where a blueprint names none.
    #[serde(default)]
    pub oscap_datastream: Option<String>,
}

impl Distro {
    /// Name without version: `fedora`, `rhel`, `centos`.
    pub fn family(&self) -> &str {
        self.name
            .rsplit_once('-')
            .map_or(self.name.as_str(), |(family, _)| family)
    }

    /// Version in the name: `43`, `9.4`.
    pub fn version(&self) -> &str {
        self.name
            .rsplit_once('-')
            .map_or("", |(_, version)| version)
    }

    /// First part of the version: `9` of `9.4`.
    pub fn major(&self) -> &str {
        self.version().split('.').next().unwrap_or_default()
    }
}
