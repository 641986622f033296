//! Scripts of the first boot.

use super::is_false;
use super::tagged::{self, variant};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize};
use std::borrow::Cow;

/// Scripts of the first boot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Firstboot {
    /// The scripts, in the order in which they run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scripts: Vec<FirstbootScript>,
}

/// A script of the first boot, by its `type`, whose case does not matter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum FirstbootScript {
    /// `custom`: any script.
    Custom(CustomScript),
    /// `satellite`: registers the system with Red Hat Satellite. At most one.
    Satellite(SatelliteScript),
    /// `aap`: calls Ansible Automation Platform. At most one.
    Aap(AapScript),
}

impl FirstbootScript {
    /// Its `type`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Custom(_) => "custom",
            Self::Satellite(_) => "satellite",
            Self::Aap(_) => "aap",
        }
    }

    /// Name of the script, if it has one.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Custom(script) => script.name.as_deref(),
            Self::Satellite(script) => script.name.as_deref(),
            Self::Aap(script) => script.name.as_deref(),
        }
    }

    /// Whether the boot goes on when it fails.
    pub fn ignore_failure(&self) -> bool {
        match self {
            Self::Custom(script) => script.ignore_failure,
            Self::Satellite(script) => script.ignore_failure,
            Self::Aap(script) => script.ignore_failure,
        }
    }

    /// Units that it runs after.
    pub fn after(&self) -> &[String] {
        match self {
            Self::Custom(script) => &script.after,
            Self::Satellite(script) => &script.after,
            Self::Aap(script) => &script.after,
        }
    }

    /// Units that it runs before.
    pub fn before(&self) -> &[String] {
        match self {
            Self::Custom(script) => &script.before,
            Self::Satellite(script) => &script.before,
            Self::Aap(script) => &script.before,
        }
    }

    /// Certificate authorities that the system trusts because of it.
    pub fn cacerts(&self) -> &[String] {
        match self {
            Self::Custom(_) => &[],
            Self::Satellite(script) => &script.cacerts,
            Self::Aap(script) => &script.cacerts,
        }
    }
}

impl<'de> Deserialize<'de> for FirstbootScript {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (kind, value) = tagged::split(deserializer)?;
        let kind = kind.unwrap_or_default();
        match kind.to_lowercase().as_str() {
            "custom" => variant(value).map(Self::Custom),
            "satellite" => variant(value).map(Self::Satellite),
            "aap" => variant(value).map(Self::Aap),
            _ => Err(tagged::unknown(&kind, &["custom", "satellite", "aap"])),
        }
    }
}

impl JsonSchema for FirstbootScript {
    fn schema_name() -> Cow<'static, str> {
        "FirstbootScript".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let variants = [
            ("custom", CustomScript::json_schema(generator)),
            ("satellite", SatelliteScript::json_schema(generator)),
            ("aap", AapScript::json_schema(generator)),
        ];
        let mut schema = tagged::schema(
            "A script of the first boot, by its `type`, whose case does not matter.",
            variants,
            None,
        );
        schema.insert("x-any-case".to_owned(), true.into());
        schema
    }
}

/// Any script.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CustomScript {
    /// Name, which becomes a part of the names of its file and unit; a number when it is not given.
    pub name: Option<String>,
    /// Whether the boot goes on when it fails.
    #[serde(default, skip_serializing_if = "is_false")]
    pub ignore_failure: bool,
    /// Units that it runs after.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<String>,
    /// Units that it runs before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<String>,
    /// Text of the script.
    #[schemars(length(min = 1))]
    pub contents: String,
}

/// Registers the system with Red Hat Satellite.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SatelliteScript {
    /// Name of the entry.
    pub name: Option<String>,
    /// Whether the boot goes on when it fails.
    #[serde(default, skip_serializing_if = "is_false")]
    pub ignore_failure: bool,
    /// Units that it runs after.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<String>,
    /// Units that it runs before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<String>,
    /// Text of the script that registers.
    #[schemars(length(min = 1))]
    pub command: String,
    /// Certificate authorities of the server, in PEM form.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cacerts: Vec<String>,
}

/// Calls Ansible Automation Platform.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AapScript {
    /// Name of the entry.
    pub name: Option<String>,
    /// Whether the boot goes on when it fails.
    #[serde(default, skip_serializing_if = "is_false")]
    pub ignore_failure: bool,
    /// Units that it runs after.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<String>,
    /// Units that it runs before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<String>,
    /// URL of the callback of the job template.
    #[schemars(length(min = 1))]
    pub job_template_url: String,
    /// Key that the host shows.
    #[schemars(length(min = 1))]
    pub host_config_key: String,
    /// Certificate authorities of the server, in PEM form.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cacerts: Vec<String>,
}
