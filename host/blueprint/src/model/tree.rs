//! Directories and files.

use super::{Mode, Owner, is_false};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A directory of the system.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Directory {
    /// Absolute path.
    #[schemars(length(min = 1))]
    pub path: String,
    /// Owner; root when it is not given.
    pub user: Option<Owner>,
    /// Group; root when it is not given.
    pub group: Option<Owner>,
    /// Permissions, e.g. `0755`.
    pub mode: Option<Mode>,
    /// Whether missing parent directories are made.
    #[serde(default, skip_serializing_if = "is_false")]
    pub ensure_parents: bool,
}

/// A regular file of the system. Without `data` and `uri` it is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Absolute path.
    #[schemars(length(min = 1))]
    pub path: String,
    /// Owner; root when it is not given.
    pub user: Option<Owner>,
    /// Group; root when it is not given.
    pub group: Option<Owner>,
    /// Permissions, e.g. `0644`.
    pub mode: Option<Mode>,
    /// Content. Excludes `uri`.
    pub data: Option<String>,
    /// File of the machine that builds which has the content: `file://PATH` or a path. Excludes `data`.
    pub uri: Option<String>,
}
