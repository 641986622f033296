//! Packages as the solver tells of them.
//!
//! What a repository says of its packages becomes paths, URLs and arguments later, and metadata is not always signed: what no package can have
//! is refused here, whatever solver found it.
use crate::error::{Kind, ResolveError, Result};
use crate::repository::Repository;
use osbuild_wasm_manifest::location::{Location, may_lead_out};
use osbuild_wasm_source::check_checksum;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// A package of a repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its epoch.
    pub epoch: u64,
    /// Its version.
    pub version: String,
    /// Its release.
    pub release: String,
    /// Its architecture.
    pub arch: String,
    /// Id of its repository.
    pub repo_id: String,
    /// Where it is below its repository.
    pub location: String,
    /// Where it can be downloaded from.
    pub remote_locations: Vec<String>,
    /// Checksum of the file.
    pub checksum: Option<Checksum>,
    /// What it is for, in one line.
    pub summary: Option<String>,
    /// What it is for, at length.
    #[serde(default)]
    pub description: Option<String>,
    /// Its home page.
    #[serde(default)]
    pub url: Option<String>,
    /// Its licence.
    #[serde(default)]
    pub license: Option<String>,
    /// When it was built, as RFC 3339.
    #[serde(default)]
    pub build_time: Option<String>,
    /// Bytes to download.
    pub download_size: u64,
    /// Bytes that it takes installed.
    pub install_size: u64,
    /// Why it is there: `user`, `group`, `dependency` or `weak-dependency`.
    pub reason: Option<String>,
    /// What it has for others.
    pub provides: Vec<Dependency>,
    /// What it needs.
    pub requires: Vec<Dependency>,
    /// What is installed with it if that can be.
    pub recommends: Vec<Dependency>,
    /// What it is installed with.
    pub supplements: Vec<Dependency>,
    /// Its main files.
    pub files: Vec<String>,
}

/// A checksum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checksum {
    /// Such as `sha256`.
    pub algorithm: String,
    /// Hexadecimal digits.
    pub value: String,
}

/// A dependency: a name, compared with a version or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dependency {
    /// Name of a package, a capability or a file; or a rich dependency.
    pub name: String,
    /// How it is compared, with which version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relation: Option<String>,
    /// The version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

impl Package {
    /// `[epoch:]version-release`.
    pub fn evr(&self) -> String {
        let epoch = if self.epoch == 0 {
            String::new()
        } else {
            format!("{}:", self.epoch)
        };
        format!("{epoch}{}-{}", self.version, self.release)
    }

    /// Whether it is of one of these repositories, is called as rpm lets packages be called, lies below its repository, and can be known by
    /// its checksum.
    pub(crate) fn check(&self, repositories: &[Repository]) -> Result<()> {
        let repository = repositories
            .iter()
            .find(|repository| repository.id == self.repo_id);
        // The repository says whether its signature is checked.
        let repository = repository.ok_or_else(|| self.wrong("nobody asked that repository"))?;
        // rpmbuild takes these (rpm-spec(7)), and so do file names.
        let words = [
            ("name", &self.name, "-._+"),
            ("version", &self.version, "._+~^"),
            ("release", &self.release, "._+~^"),
            ("architecture", &self.arch, "_-"),
        ];
        for (what, word, others) in words {
            let may_begin =
                word.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_');
            if !may_begin || !consists_of(word, others) {
                return Err(self.wrong(&format!("no package has the {what} {word:?}")));
            }
        }
        let location = &self.location;
        let leads_out = location.starts_with('/') || location.contains("://");
        if location.is_empty() || leads_out || may_lead_out(location) {
            return Err(self.wrong(&format!("{location:?} is not below the repository")));
        }
        self.check_servers(repository)?;
        let checksum = self
            .checksum
            .as_ref()
            .ok_or_else(|| self.wrong("it has no checksum that is known, such as one of sha256"))?;
        let checksum = format!("{}:{}", checksum.algorithm, checksum.value);
        check_checksum(&checksum).map_err(|problem| self.wrong(&problem))
    }

    /// Files of this machine are where the repository is, and not where its metadata says.
    fn check_servers(&self, repository: &Repository) -> Result<()> {
        let is_file = |url: &String| Location::parse(url).is_ok_and(|at| at.file().is_some());
        let is_here = repository.baseurl.iter().any(is_file);
        for url in &self.remote_locations {
            let at = Location::parse(url).map_err(|problem| self.wrong(&problem))?;
            if at.file().is_some() && !is_here {
                return Err(self.wrong(&format!("{url:?} is a file of this machine")));
            }
        }
        Ok(())
    }

    fn wrong(&self, problem: &str) -> ResolveError {
        let problem = format!("the package {:?} cannot be used: {problem}", self.label());
        ResolveError::repository(&self.repo_id, problem)
    }

    /// `name-[epoch:]version-release.arch`.
    pub fn label(&self) -> String {
        format!("{}-{}.{}", self.name, self.evr(), self.arch)
    }
}

/// Only letters and digits of ASCII, and those of `others`.
fn consists_of(word: &str, others: &str) -> bool {
    word.chars()
        .all(|letter| letter.is_ascii_alphanumeric() || others.contains(letter))
}

/// Checks the files that enabled modules bring: each is one of its directory.
pub(crate) fn check_modules(modules: &Value) -> Result<()> {
    for (name, files) in modules.as_object().into_iter().flatten() {
        let data = &files["module-file"]["data"];
        let stream = data["stream"].as_str();
        let profiles = data["profiles"].as_array().into_iter().flatten();
        let words = [Some(name.as_str()), stream, data["name"].as_str()];
        let mut words = words.into_iter().chain(profiles.map(Value::as_str));
        let is_word = |word: Option<&str>| {
            word.is_some_and(|word| {
                !word.is_empty() && !word.starts_with(['-', '.']) && consists_of(word, "-._+")
            })
        };
        let path = files["failsafe-file"]["path"].as_str();
        let file = path.and_then(|path| path.strip_prefix("/var/lib/dnf/modulefailsafe/"));
        let is_file = file.is_some_and(|file| !file.starts_with('.') && consists_of(file, "-._+:"));
        if !words.all(is_word) || data["name"] != **name || !is_file {
            let stream = stream.unwrap_or_default();
            return Err(ResolveError::new(
                Kind::Repository,
                format!(
                    "no module is called {name:?} with the stream {stream:?}: a repository is damaged, or hostile"
                ),
            ));
        }
    }
    Ok(())
}

/// What was found for some transactions.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Packages {
    /// For each transaction the packages that none before had.
    pub transactions: Vec<Vec<Package>>,
    /// For each enabled module the files to write, as the protocol has them.
    pub modules: Value,
    /// For each repository, by its id, the texts of its keys.
    pub keys: BTreeMap<String, Vec<String>>,
    /// What the packages are made of, as SPDX, if it was asked for.
    pub sbom: Option<Value>,
}
