//! Interfaces of `osbuild:stage`.
use serde::{Deserialize, Serialize};
use std::fmt;

/// Name of the WIT package that is the contract.
pub const PACKAGE: &str = "osbuild:stage";

/// A semantic version of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// Differing majors do not work together.
    pub major: u64,
    /// A host offers what components of an equal or lower minor want.
    pub minor: u64,
    /// Never decides.
    pub patch: u64,
}

/// The version of the contract that this host offers.
pub const VERSION: Version = Version {
    major: 1,
    minor: 0,
    patch: 0,
};

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl Version {
    /// Reads `1.2.3`; anything else is none.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '.').map(|part| part.parse().ok());
        let version = Self {
            major: parts.next()??,
            minor: parts.next()??,
            patch: parts.next()??,
        };
        Some(version)
    }

    /// Whether a host of this version runs a component that wants `wanted`.
    pub fn offers(self, wanted: Self) -> bool {
        self.major == wanted.major && self.minor >= wanted.minor
    }
}

/// An interface of the contract: one capability.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Interface {
    /// Shared types; no capability by itself.
    Types,
    /// Files of tree, inputs, mounts, devices.
    Tree,
    /// Metadata and structured errors.
    Report,
    /// Files as block devices.
    Loopback,
    /// File systems.
    Mount,
    /// The build root's rpm.
    Rpm,
    /// The build root's GRUB.
    Grub,
    /// The build root's qemu-img.
    QemuImg,
    /// Programs named in the metadata.
    Command,
}

impl Interface {
    /// All interfaces, in the order of the design.
    pub const ALL: [Self; 9] = [
        Self::Types,
        Self::Tree,
        Self::Report,
        Self::Loopback,
        Self::Mount,
        Self::Rpm,
        Self::Grub,
        Self::QemuImg,
        Self::Command,
    ];

    /// The name in WIT, policies and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Types => "types",
            Self::Tree => "tree",
            Self::Report => "report",
            Self::Loopback => "loopback",
            Self::Mount => "mount",
            Self::Rpm => "rpm",
            Self::Grub => "grub",
            Self::QemuImg => "qemu-img",
            Self::Command => "command",
        }
    }

    /// The interface of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|interface| interface.name() == name)
    }

    /// Whether a helper process carries the interface out.
    pub fn needs_helper(self) -> bool {
        !matches!(self, Self::Types | Self::Tree | Self::Report)
    }
}

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
