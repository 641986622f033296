//! Users and groups.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A key of a user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SshKey {
    /// Name of the user.
    #[schemars(length(min = 1))]
    pub user: String,
    /// Public key, as a line of `authorized_keys`.
    #[schemars(length(min = 1))]
    pub key: String,
}

/// A user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// Login name.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Full name or purpose.
    pub description: Option<String>,
    /// Password, or its hash by crypt(3) (`$6$`, `$5$`, `$2b$`).
    pub password: Option<String>,
    /// Public key, as a line of `authorized_keys`; several lines are several keys.
    pub key: Option<String>,
    /// Home directory; `/home/NAME` when it is not given.
    pub home: Option<String>,
    /// Login shell.
    pub shell: Option<String>,
    /// Names of further groups.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// User id.
    pub uid: Option<u32>,
    /// Id of the primary group.
    pub gid: Option<u32>,
    /// Day on which the account expires, counted from 1970-01-01.
    pub expiredate: Option<i64>,
    /// Whether the password must be changed at the first login.
    pub force_password_reset: Option<bool>,
}

/// A group of users.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Name of the group.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Group id.
    pub gid: Option<u32>,
}
