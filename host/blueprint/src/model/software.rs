//! Package management of the system.

use super::is_false;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A package repository in `/etc/yum.repos.d`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Repository {
    /// Id, the name of its section.
    #[schemars(length(min = 1))]
    pub id: String,
    /// URLs of the repository. One of `baseurls`, `metalink` and `mirrorlist` is needed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub baseurls: Vec<String>,
    /// Keys: armored blocks, or URLs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gpgkeys: Vec<String>,
    /// URL of a metalink.
    pub metalink: Option<String>,
    /// URL of a list of mirrors.
    pub mirrorlist: Option<String>,
    /// Name for people.
    pub name: Option<String>,
    /// Priority; the lowest number wins.
    pub priority: Option<i64>,
    /// Whether it is used.
    pub enabled: Option<bool>,
    /// Whether signatures of packages are checked.
    pub gpgcheck: Option<bool>,
    /// Whether the signature of the metadata is checked.
    pub repo_gpgcheck: Option<bool>,
    /// Whether the certificate of the server is checked.
    pub sslverify: Option<bool>,
    /// Whether its packages win over those of modules.
    pub module_hotfixes: Option<bool>,
    /// Name of the file, with or without `.repo`; the id when it is not given.
    pub filename: Option<String>,
    /// Whether packages of the blueprint are installed from it as well.
    #[serde(default, skip_serializing_if = "is_false")]
    pub install_from: bool,
}

impl Repository {
    /// Name of the file in `/etc/yum.repos.d`: `filename`, else the id, with `.repo` at its end.
    pub fn file_name(&self) -> String {
        let name = self.filename.as_deref().filter(|name| !name.is_empty());
        let name = name.unwrap_or(&self.id);
        match name.ends_with(".repo") {
            true => name.to_owned(),
            false => format!("{name}.repo"),
        }
    }
}

/// Database of packages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Rpm {
    /// Keys that are imported.
    pub import_keys: Option<ImportKeys>,
}

/// Keys that are imported.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ImportKeys {
    /// Paths in the image; a package must bring them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
}

/// Settings of dnf.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Dnf {
    /// Configuration.
    pub config: Option<DnfConfig>,
}

/// Configuration of dnf.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DnfConfig {
    /// Whether the variable `releasever` is set to the version of the distribution.
    #[serde(skip_serializing_if = "is_false")]
    pub set_releasever: bool,
}

/// Red Hat subscription management.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Rhsm {
    /// Configuration.
    pub config: Option<RhsmConfig>,
}

/// Configuration of Red Hat subscription management; what is set wins over the image type's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RhsmConfig {
    /// Plugins of dnf.
    pub dnf_plugins: Option<DnfPlugins>,
    /// `/etc/rhsm/rhsm.conf`.
    pub subscription_manager: Option<SubscriptionManager>,
}

/// Plugins of dnf that belong to subscription management.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DnfPlugins {
    /// The plugin product-id.
    pub product_id: Option<DnfPlugin>,
    /// The plugin subscription-manager.
    pub subscription_manager: Option<DnfPlugin>,
}

/// A plugin of dnf.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DnfPlugin {
    /// Whether it is used.
    pub enabled: Option<bool>,
}

/// `/etc/rhsm/rhsm.conf`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SubscriptionManager {
    /// The section `rhsm`.
    pub rhsm: Option<RhsmSection>,
    /// The section `rhsmcertd`.
    pub rhsmcertd: Option<RhsmCertd>,
}

/// The section `rhsm`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RhsmSection {
    /// Whether repositories are managed.
    pub manage_repos: Option<bool>,
    /// Whether plugins of yum and dnf are enabled.
    pub auto_enable_yum_plugins: Option<bool>,
}

/// The section `rhsmcertd`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RhsmCertd {
    /// Whether the system registers itself.
    pub auto_registration: Option<bool>,
}
