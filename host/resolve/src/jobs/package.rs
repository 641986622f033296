//! Packages and modules as results of jobs have them.
use crate::package::Package;
use osbuild_wasm_generator::content::{self, Module, Repository};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A package that was chosen or found. The keys are those of the solver's protocol, but the checksum is a text, and lists of dependencies
/// are left out; the last five are for readers that know older results only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct JobPackage {
    /// Name.
    pub name: String,
    /// Epoch.
    pub epoch: u64,
    /// Version.
    pub version: String,
    /// Release.
    pub release: String,
    /// Architecture.
    pub arch: String,
    /// Identifier of its repository.
    pub repo_id: String,
    /// Path in its repository.
    pub location: String,
    /// URLs of the file.
    pub remote_locations: Vec<String>,
    /// Checksum with algorithm: `sha256:...`.
    pub checksum: String,
    /// Its licence.
    pub license: Option<String>,
    /// What it is for, in one line.
    pub summary: Option<String>,
    /// What it is for, at length.
    pub description: Option<String>,
    /// Its home page.
    pub url: Option<String>,
    /// When it was built, as RFC 3339.
    pub build_time: Option<String>,
    /// Bytes to download.
    pub download_size: u64,
    /// Bytes that it takes installed.
    pub install_size: u64,
    /// Why it is there: `user`, `group`, `dependency` or `weak-dependency`.
    pub reason: Option<String>,
    /// Its main files.
    pub files: Vec<String>,
    /// As `location`.
    pub path: String,
    /// The first of `remote_locations`.
    pub remote_location: String,
    /// By what its repository wants to know us; empty: by nothing.
    pub secrets: String,
    /// Whether it must be signed.
    pub check_gpg: bool,
    /// Whether any certificate of its server will do.
    pub ignore_ssl: bool,
}

/// What repositories with a subscription are asked with.
const SUBSCRIPTION: &str = "org.osbuild.rhsm";

impl JobPackage {
    /// A package of one of these repositories.
    pub(crate) fn new(found: Package, repositories: &[Repository]) -> Self {
        let mut repositories = repositories.iter();
        let repository = repositories.find(|repository| repository.id == found.repo_id);
        let says = |what: fn(&Repository) -> bool| repository.is_some_and(what);
        let checksum = found.checksum;
        let checksum = checksum.map(|sum| format!("{}:{}", sum.algorithm, sum.value));
        let remote = found.remote_locations.first().cloned().unwrap_or_default();
        Self {
            name: found.name,
            epoch: found.epoch,
            version: found.version,
            release: found.release,
            arch: found.arch,
            repo_id: found.repo_id,
            path: found.location.clone(),
            location: found.location,
            remote_locations: found.remote_locations,
            remote_location: remote,
            checksum: checksum.unwrap_or_default(),
            license: found.license,
            summary: found.summary,
            description: found.description,
            url: found.url,
            build_time: found.build_time,
            download_size: found.download_size,
            install_size: found.install_size,
            reason: found.reason,
            files: found.files,
            secrets: match says(|repository| repository.rhsm) {
                true => SUBSCRIPTION.to_owned(),
                false => String::new(),
            },
            check_gpg: says(|repository| repository.check_gpg == Some(true)),
            ignore_ssl: says(|repository| repository.ignore_ssl == Some(true)),
        }
    }
}

impl From<JobPackage> for content::Package {
    fn from(package: JobPackage) -> Self {
        Self {
            name: package.name,
            epoch: package.epoch,
            version: package.version,
            release: package.release,
            arch: package.arch,
            checksum: package.checksum,
            location: package.location,
            repository: package.repo_id,
            check_gpg: package.check_gpg,
            files: package.files,
        }
    }
}

/// The files of DNF that say that a module is enabled, as the solver's protocol has them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ModuleFiles {
    /// The file of the module.
    #[serde(rename = "module-file")]
    pub module: ModuleFile,
    /// The copy for a repository that goes away.
    #[serde(rename = "failsafe-file")]
    pub failsafe: ModuleFile,
}

/// A file of a module.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ModuleFile {
    /// Where it is in the image.
    #[serde(default)]
    pub path: String,
    /// What it says: an object, or the text of the copy.
    #[serde(default)]
    pub data: Value,
}

impl From<ModuleFiles> for Module {
    fn from(files: ModuleFiles) -> Self {
        Self {
            config: files.module.data,
            failsafe_path: files.failsafe.path,
            failsafe_data: files.failsafe.data.as_str().unwrap_or_default().to_owned(),
        }
    }
}
