//! Settings of the running system.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Time zone and time servers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Timezone {
    /// Name in the zone database, e.g. `Europe/Berlin`.
    pub timezone: Option<String>,
    /// Time servers; they replace those of the image type.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ntpservers: Vec<String>,
}

/// Languages and keyboard.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Locale {
    /// Locales, e.g. `de_DE.UTF-8`; the first is that of the system.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub languages: Vec<String>,
    /// Keyboard layout of the console, e.g. `de`.
    pub keyboard: Option<String>,
}

/// Settings of firewalld.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Firewall {
    /// Open ports: `PORT:PROTOCOL`, `FIRST-LAST:PROTOCOL` or the name of a service with a protocol.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<String>,
    /// Services of the firewall.
    pub services: Option<FirewallServices>,
    /// Zones with the addresses that belong to them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub zones: Vec<FirewallZone>,
}

/// Services of the firewall.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FirewallServices {
    /// Services that may be reached.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub enabled: Vec<String>,
    /// Services that may not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub disabled: Vec<String>,
}

/// A zone of the firewall.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FirewallZone {
    /// Name of the zone.
    pub name: Option<String>,
    /// Addresses and networks whose traffic belongs to the zone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
}

/// Units of systemd.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Services {
    /// Units that start at boot.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub enabled: Vec<String>,
    /// Units that do not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub disabled: Vec<String>,
    /// Units that cannot be started at all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub masked: Vec<String>,
}

/// Hardening by a profile of OpenSCAP.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Openscap {
    /// Path of the data stream in the image; that of the distribution when it is not given.
    pub datastream: Option<String>,
    /// Profile: its id or the end of it, e.g. `cis`.
    #[schemars(length(min = 1))]
    pub profile_id: String,
    /// Rules that are added to or taken from the profile. Excludes `json_tailoring`.
    pub tailoring: Option<Tailoring>,
    /// Tailoring file in the image. Excludes `tailoring`.
    pub json_tailoring: Option<JsonTailoring>,
    /// Id of a compliance policy of the service.
    pub policy_id: Option<String>,
}

/// Rules that are added to or taken from a profile.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Tailoring {
    /// Rules that are added.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub selected: Vec<String>,
    /// Rules that are taken away.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unselected: Vec<String>,
}

/// A tailoring file in JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JsonTailoring {
    /// Id of the profile that the file makes.
    #[schemars(length(min = 1))]
    pub profile_id: String,
    /// Path of the file in the image.
    #[schemars(length(min = 1))]
    pub filepath: String,
}

/// Certificate authorities that the system trusts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cacerts {
    /// Certificates in PEM form.
    pub pem_certs: Vec<String>,
}

/// Settings of the OpenSSH server. Image types without such settings take none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Sshd {
    /// Whether one may log in with a password.
    pub password_authentication: Option<bool>,
    /// Seconds without traffic after which the server asks whether the client is there.
    pub client_alive_interval: Option<u32>,
    /// Whether, and how, root may log in.
    pub permit_root_login: Option<PermitRootLogin>,
    /// Whether one may log in by answering questions.
    pub kbd_interactive_authentication: Option<bool>,
}

/// Whether, and how, root may log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PermitRootLogin {
    /// `true`
    Yes,
    /// `false`
    No,
    /// `prohibit-password`: with a key.
    ProhibitPassword,
    /// `forced-commands-only`: with a key that has a command.
    ForcedCommandsOnly,
}
