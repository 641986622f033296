//! A repository as requests describe it, and replies.
use super::fields::{Result, kind};
use super::request::Version;
use crate::failure::Failure;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Precedence of a repository that says none: the lowest number wins.
const PRIORITY: i32 = 99;
/// Cost of a repository that says none: of equal packages the cheaper one is taken.
const COST: i32 = 1000;

/// A repository.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Repo {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) baseurl: Vec<String>,
    pub(crate) metalink: Option<String>,
    pub(crate) mirrorlist: Option<String>,
    pub(crate) gpgcheck: Option<bool>,
    pub(crate) repo_gpgcheck: Option<bool>,
    pub(crate) gpgkey: Vec<String>,
    pub(crate) sslverify: bool,
    pub(crate) sslcacert: Option<String>,
    pub(crate) sslclientkey: Option<String>,
    pub(crate) sslclientcert: Option<String>,
    pub(crate) metadata_expire: String,
    pub(crate) module_hotfixes: Option<bool>,
    pub(crate) enabled: bool,
    pub(crate) priority: i32,
    pub(crate) cost: i32,
    pub(crate) skip_if_unavailable: bool,
    pub(crate) rhsm: bool,
}

impl Repo {
    /// Reads the description of a repository.
    pub(crate) fn parse(value: &Value, version: Version) -> Result<Self> {
        let object = value
            .as_object()
            .ok_or_else(|| wrong("Repository config must be a dict"))?;
        let id = object.get("id").and_then(Value::as_str);
        let id = id.ok_or_else(|| {
            Failure::invalid("Missing required field 'id' in 'repos' item configuration")
        })?;
        let members = Members(object);
        let baseurl = members.list("baseurl", "a list of URLs")?;
        let mut repo = Self {
            id: id.to_owned(),
            name: members.text("name")?.unwrap_or_else(|| id.to_owned()),
            baseurl,
            metalink: members.text("metalink")?,
            mirrorlist: members.text("mirrorlist")?,
            gpgcheck: members.flag("gpgcheck")?,
            repo_gpgcheck: members.flag("repo_gpgcheck")?,
            gpgkey: Vec::new(),
            sslverify: members.flag("sslverify")?.unwrap_or(true),
            sslcacert: members.text("sslcacert")?,
            sslclientkey: members.text("sslclientkey")?,
            sslclientcert: members.text("sslclientcert")?,
            metadata_expire: members
                .text("metadata_expire")?
                .unwrap_or_else(|| "20s".to_owned()),
            module_hotfixes: members.flag("module_hotfixes")?,
            enabled: true,
            priority: PRIORITY,
            cost: COST,
            skip_if_unavailable: false,
            rhsm: false,
        };
        match version {
            Version::One => {
                repo.gpgkey.extend(members.text("gpgkey")?);
                repo.gpgkey.extend(members.list("gpgkeys", "a list")?);
            }
            Version::Two => repo.parse_version_2(&members)?,
        }
        if repo.baseurl.is_empty() && repo.metalink.is_none() && repo.mirrorlist.is_none() {
            return Err(wrong(
                "At least one of 'baseurl', 'metalink', or 'mirrorlist' must be specified",
            ));
        }
        Ok(repo)
    }

    fn parse_version_2(&mut self, members: &Members<'_>) -> Result<()> {
        self.gpgkey = members.list("gpgkey", "a list")?;
        self.enabled = members.flag("enabled")?.unwrap_or(true);
        self.priority = members.number("priority")?.unwrap_or(PRIORITY);
        self.cost = members.number("cost")?.unwrap_or(COST);
        self.skip_if_unavailable = members.flag("skip_if_unavailable")?.unwrap_or(false);
        self.rhsm = members.flag("rhsm")?.unwrap_or(false);
        // They are for whoever downloads; this program does not, and replies never have them.
        members.text("username")?;
        members.text("password")?;
        let has_files = [&self.sslcacert, &self.sslclientkey, &self.sslclientcert];
        if self.rhsm && has_files.iter().any(|file| file.is_some()) {
            return Err(wrong(
                "The sslcacert, sslclientkey, and sslclientcert fields cannot be set when rhsm: true is specified",
            ));
        }
        Ok(())
    }

    /// The repository as a reply has it, with the texts of its keys.
    pub(crate) fn reply(&self, version: Version) -> Value {
        let file = |path: &Option<String>| path.clone().filter(|_| !self.rhsm);
        let mut reply = json!({
            "id": self.id,
            "name": self.name,
            "baseurl": self.baseurl,
            "metalink": self.metalink,
            "mirrorlist": self.mirrorlist,
            "gpgcheck": self.gpgcheck.unwrap_or_default(),
            "repo_gpgcheck": self.repo_gpgcheck.unwrap_or_default(),
            "sslverify": self.sslverify,
            "sslcacert": file(&self.sslcacert),
            "sslclientkey": file(&self.sslclientkey),
            "sslclientcert": file(&self.sslclientcert),
        });
        match version {
            Version::One => reply["gpgkeys"] = json!(self.gpgkey),
            Version::Two => {
                reply["gpgkey"] = json!(self.gpgkey);
                reply["metadata_expire"] = json!(self.metadata_expire);
                reply["module_hotfixes"] = json!(self.module_hotfixes);
                reply["rhsm"] = json!(self.rhsm);
            }
        }
        reply
    }
}

fn wrong(problem: impl AsRef<str>) -> Failure {
    Failure::invalid(format!("Invalid repository config: {}", problem.as_ref()))
}

/// The members of a repository's description; `null` is as if it were not there.
struct Members<'a>(&'a Map<String, Value>);

impl Members<'_> {
    fn get<T>(
        &self,
        name: &str,
        expected: &str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Result<Option<T>> {
        let value = self.0.get(name).filter(|value| !value.is_null());
        let problem = |value: &Value| {
            format!(
                "Repository.{name}: expected {expected} or None, got {}",
                kind(value)
            )
        };
        let read = |value: &Value| read(value).ok_or_else(|| wrong(problem(value)));
        value.map(read).transpose()
    }

    fn text(&self, name: &str) -> Result<Option<String>> {
        let text = self.get(name, "str", |value| value.as_str().map(str::to_owned))?;
        Ok(text.filter(|text| !text.is_empty()))
    }

    fn flag(&self, name: &str) -> Result<Option<bool>> {
        self.get(name, "bool", Value::as_bool)
    }

    fn number(&self, name: &str) -> Result<Option<i32>> {
        self.get(name, "int", |value| value.as_i64()?.try_into().ok())
    }

    fn list(&self, name: &str, expected: &str) -> Result<Vec<String>> {
        let Some(value) = self.0.get(name).filter(|value| !value.is_null()) else {
            return Ok(Vec::new());
        };
        let problem = || wrong(format!("'{name}' must be {expected}, got {}", kind(value)));
        let texts = value.as_array().ok_or_else(problem)?;
        let text = |text: &Value| text.as_str().map(str::to_owned).ok_or_else(problem);
        texts.iter().map(text).collect()
    }
}
