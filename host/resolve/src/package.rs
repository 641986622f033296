//! Packages as the solver tells of them.
use serde::{Deserialize, Serialize};
use serde_json::Value;

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

    /// `name-[epoch:]version-release.arch`.
    pub fn label(&self) -> String {
        format!("{}-{}.{}", self.name, self.evr(), self.arch)
    }
}

/// What was found for some transactions.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Packages {
    /// For each transaction the packages that none before had.
    pub transactions: Vec<Vec<Package>>,
    /// For each enabled module the files to write, as the protocol has them.
    pub modules: Value,
    /// What the packages are made of, as SPDX, if it was asked for.
    pub sbom: Option<Value>,
}
