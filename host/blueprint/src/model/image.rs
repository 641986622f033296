//! What the image is like as a whole: kernel, boot loader, installation media, provisioning.

use super::is_false;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The kernel and its options.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Kernel {
    /// Package of the kernel; `kernel` when it is not given.
    pub name: Option<String>,
    /// Options added to the kernel's command line.
    pub append: Option<String>,
}

impl Kernel {
    /// Package of the kernel when none is named.
    pub const DEFAULT: &'static str = "kernel";
}

/// Where images of containers are stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct ContainersStorage {
    /// Directory of the storage in the image.
    pub destination_path: Option<String>,
}

/// Device onboarding (FIDO).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Fdo {
    /// URL of the manufacturing server. Needed.
    pub manufacturing_server_url: Option<String>,
    /// `true`: the key of the server is not checked. Exactly one of the three keys `diun_pub_key_*` is needed.
    pub diun_pub_key_insecure: Option<String>,
    /// Hash of the key of the server.
    pub diun_pub_key_hash: Option<String>,
    /// Certificates that the key of the server is checked against.
    pub diun_pub_key_root_certs: Option<String>,
    /// Network interface whose address is the serial number.
    pub di_mfg_string_type_mac_iface: Option<String>,
}

/// Ignition configuration: one of the two.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Ignition {
    /// The configuration is in the image.
    pub embedded: Option<IgnitionEmbedded>,
    /// The configuration is fetched at the first boot.
    pub firstboot: Option<IgnitionFirstboot>,
}

/// A configuration that is in the image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IgnitionEmbedded {
    /// The configuration, in base64.
    #[schemars(length(min = 1))]
    pub config: String,
}

/// A configuration that is fetched at the first boot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct IgnitionFirstboot {
    /// Where it is. Excludes `empty`.
    pub url: Option<String>,
    /// Whether there is none on purpose. Excludes `url`.
    #[serde(skip_serializing_if = "is_false")]
    pub empty: bool,
}

/// Installation media.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Installer {
    /// Whether the installation asks nothing.
    #[serde(skip_serializing_if = "is_false")]
    pub unattended: bool,
    /// Users, and groups with `%` before their names, that need no password for sudo.
    #[serde(rename = "sudo-nopasswd", skip_serializing_if = "Vec::is_empty")]
    pub sudo_nopasswd: Vec<String>,
    /// An own kickstart file. Excludes `unattended`, `sudo-nopasswd`, users and groups.
    pub kickstart: Option<Kickstart>,
    /// Modules of the installer.
    pub modules: Option<InstallerModules>,
    /// Boot loader of the medium.
    pub bootloader: Option<InstallerBootloader>,
    /// What the medium brings.
    pub payload: Option<InstallerPayload>,
}

/// An own kickstart file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Kickstart {
    /// Its text.
    pub contents: Option<String>,
}

/// Modules of the installer, by their D-Bus names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct InstallerModules {
    /// Modules that are used beside the usual ones.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub enable: Vec<String>,
    /// Modules that are not used.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub disable: Vec<String>,
}

/// Boot loader of installation media.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct InstallerBootloader {
    /// Settings of GRUB.
    pub grub2: Option<InstallerGrub2>,
}

/// Settings of GRUB on installation media.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct InstallerGrub2 {
    /// Seconds that the menu is shown.
    pub menu_timeout: Option<i64>,
}

/// What installation media bring.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct InstallerPayload {
    /// Flatpaks.
    pub flatpaks: Option<Flatpaks>,
}

/// Flatpaks of installation media.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Flatpaks {
    /// Flatpaks that are installed in any case.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub force: Vec<Flatpak>,
}

/// Flatpaks of one registry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Flatpak {
    /// Where they come from.
    pub registry: FlatpakRegistry,
    /// References of the flatpaks.
    pub references: Vec<String>,
}

/// A registry of flatpaks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FlatpakRegistry {
    /// Name of the remote in the system.
    #[schemars(length(min = 1))]
    pub remote_name: String,
    /// URL of the registry.
    #[schemars(length(min = 1))]
    pub url: String,
}

/// Descriptors of an ISO image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Iso {
    /// Application id.
    pub application_id: Option<String>,
    /// Publisher id.
    pub publisher: Option<String>,
    /// Volume id: letters, digits, `-` and `_`.
    pub volume_id: Option<String>,
}

/// Boot loader of disks made from bootable containers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Bootloader {
    /// Settings of GRUB.
    pub grub2: Option<Grub2>,
}

/// Settings of GRUB.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Grub2 {
    /// Where input comes from, e.g. `serial`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub terminal_input: Vec<String>,
    /// Where output goes to, e.g. `console`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub terminal_output: Vec<String>,
    /// Options of the serial line.
    pub serial: Option<String>,
}
