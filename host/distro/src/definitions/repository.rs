//! Repositories of distributions.
use super::template::Variables;
use super::when::When;
use crate::Arch;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Where packages of a distribution come from.
#[derive(Clone, Debug, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Repository {
    /// Name.
    pub name: String,
    /// Addresses of the same content.
    pub baseurls: Vec<String>,
    /// Address of a metalink.
    pub metalink: String,
    /// Address of a list of mirrors.
    pub mirrorlist: String,
    /// Armored keys.
    pub gpgkeys: Vec<String>,
    /// Whether packages must be signed.
    pub check_gpg: Option<bool>,
    /// Whether the metadata must be signed.
    pub check_repo_gpg: Option<bool>,
    /// How long metadata is good, as DNF writes it.
    pub metadata_expire: String,
    /// Whether it needs a subscription of RHSM.
    pub rhsm: bool,
    /// Image types it is for; empty: all.
    pub image_type_tags: Vec<String>,
    /// Package sets or pipelines it is for; empty: all.
    pub package_sets: Vec<String>,
}

/// A repository in a definition: its fields with variables, `gpgkeys` by the names of keys, and where it is for.
#[derive(Clone, Debug, Deserialize)]
pub struct RepositoryDefinition {
    #[serde(default)]
    when: Option<When>,
    #[serde(flatten)]
    fields: Map<String, Value>,
}

impl RepositoryDefinition {
    /// The repository for a distribution and an architecture; nothing where it is not for them.
    ///
    /// # Errors
    /// What the definition says wrong.
    pub fn resolve(
        &self,
        distribution: (&str, &str),
        arch: Arch,
        variables: &Variables,
        key: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Repository>, String> {
        let (name, version) = distribution;
        let here = self
            .when
            .as_ref()
            .is_none_or(|when| when.holds(name, version, Some(arch)));
        if !here {
            return Ok(None);
        }
        let mut value = Value::Object(self.fields.clone());
        variables.fill_all(&mut value)?;
        let mut found: Repository =
            serde_json::from_value(value).map_err(|error| error.to_string())?;
        for name in &mut found.gpgkeys {
            *name = key(name).ok_or_else(|| format!("there is no key keys/{name}.asc"))?;
        }
        Ok(Some(found))
    }
}
