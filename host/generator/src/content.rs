//! Content that a manifest needs from outside: what is asked for, and what it was resolved to.
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A repository of packages.
#[derive(Clone, Debug, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Repository {
    /// Identifier, unique among the repositories of a request; from its addresses where empty.
    pub id: String,
    /// Name.
    pub name: String,
    /// Addresses of the same content.
    pub baseurls: Vec<String>,
    /// Address of a metalink.
    pub metalink: String,
    /// Address of a list of mirrors.
    pub mirrorlist: String,
    /// Armored keys, or addresses of keys.
    pub gpgkeys: Vec<String>,
    /// Whether packages must be signed.
    pub check_gpg: Option<bool>,
    /// Whether the metadata must be signed.
    pub check_repo_gpg: Option<bool>,
    /// Whether any certificate of the server will do.
    pub ignore_ssl: Option<bool>,
    /// Lower goes first.
    pub priority: Option<i64>,
    /// How long metadata is good, as DNF writes it.
    pub metadata_expire: String,
    /// Packages come in whatever modules say.
    pub module_hotfixes: Option<bool>,
    /// Whether it needs a subscription of RHSM.
    pub rhsm: bool,
    /// Image types it is for; empty: all.
    pub image_type_tags: Vec<String>,
    /// Package sets or pipelines it is for; empty: all.
    pub package_sets: Vec<String>,
    /// Certificate authority of the server.
    pub sslcacert: String,
    /// Key of the client.
    pub sslclientkey: String,
    /// Certificate of the client.
    pub sslclientcert: String,
}

impl Repository {
    /// The repository with an identifier: one that has none is called by a checksum of what it is made of. The kinds of
    /// values stand in that text, not the values, where they are booleans.
    #[must_use]
    pub fn with_id(&self) -> Self {
        let mut repository = self.clone();
        if !repository.id.is_empty() {
            return repository;
        }
        let flag = |set: bool| if set { "*bool" } else { "" };
        let text = [
            repository.baseurls.concat().as_str(),
            &repository.metalink,
            &repository.mirrorlist,
            &repository.gpgkeys.concat(),
            flag(repository.check_gpg.is_some()),
            flag(repository.check_repo_gpg.is_some()),
            flag(repository.ignore_ssl.is_some()),
            &repository.metadata_expire,
            "bool",
            flag(repository.module_hotfixes.is_some()),
            &repository.sslcacert,
            &repository.sslclientkey,
            &repository.sslclientcert,
        ]
        .concat();
        repository.id = hex::encode(Sha256::digest(text));
        repository
    }
}

/// One transaction of a package solver; transactions of a pipeline build on those before.
#[derive(Clone, Debug, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Transaction {
    /// Names to install.
    pub include: Vec<String>,
    /// Names not to install.
    pub exclude: Vec<String>,
    /// Module streams to enable (`name:stream`).
    #[serde(rename = "enabled_modules")]
    pub modules: Vec<String>,
    /// Where packages come from.
    pub repositories: Vec<Repository>,
    /// Whether weak dependencies are installed.
    pub install_weak_deps: bool,
}

/// A container to fetch.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ContainerRequest {
    /// Its reference.
    pub source: String,
    /// Name in the image; the reference where empty.
    pub name: String,
    /// Whether its registry's certificate is checked, where it is said.
    pub tls_verify: Option<bool>,
    /// Whether it lies in the containers-storage of this machine.
    pub local: bool,
}

/// An OSTree commit to fetch.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct CommitRequest {
    /// Address of the repository.
    pub url: String,
    /// Address of its content, where it is another.
    pub content_url: String,
    /// Ref or checksum.
    pub reference: String,
    /// Whether it needs a subscription of RHSM.
    pub rhsm: bool,
}

/// Flatpaks of a registry to fetch.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct FlatpakRequest {
    /// Name of the remote in the image.
    pub remote_name: String,
    /// Address of the registry, with its kind (`oci+https://...`).
    pub url: String,
    /// Reference of one flatpak.
    pub reference: String,
}

/// What one pipeline needs.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Content {
    /// Packages, in order.
    pub transactions: Vec<Transaction>,
    /// Containers.
    pub containers: Vec<ContainerRequest>,
    /// Commits.
    pub commits: Vec<CommitRequest>,
    /// Flatpaks.
    pub flatpaks: Vec<FlatpakRequest>,
}

/// A package that a solver chose.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Package {
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
    /// Checksum with algorithm: `sha256:...`.
    pub checksum: String,
    /// Path in its repository.
    pub location: String,
    /// Identifier of its repository.
    pub repository: String,
    /// Whether it must be signed.
    pub check_gpg: bool,
    /// Files it is known to bring: those that were asked about.
    pub files: Vec<String>,
}

impl Package {
    /// `version-release.arch`, with the epoch before it unless it is 0: what a kernel is called by.
    pub fn evra(&self) -> String {
        let epoch = if self.epoch == 0 {
            String::new()
        } else {
            format!("{}:", self.epoch)
        };
        format!("{epoch}{}-{}.{}", self.version, self.release, self.arch)
    }
}

/// What a module stream brings: files of DNF that say that it is enabled.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Module {
    /// Name, stream, state and profiles, as DNF's file has them.
    pub config: serde_json::Value,
    /// Path of the copy for a repository that goes away.
    pub failsafe_path: String,
    /// Text of that copy.
    pub failsafe_data: String,
}

/// Solved transactions of one pipeline.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Depsolved {
    /// Packages of each transaction, in the solver's order.
    pub transactions: Vec<Vec<Package>>,
    /// Repositories that packages came from.
    pub repositories: Vec<Repository>,
    /// Enabled modules.
    pub modules: Vec<Module>,
}

impl Depsolved {
    /// The package of that name in any transaction.
    pub fn package(&self, name: &str) -> Option<&Package> {
        self.transactions
            .iter()
            .flatten()
            .find(|package| package.name == name)
    }
}

/// A resolved container.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Container {
    /// Its reference.
    pub source: String,
    /// Digest of its manifest.
    pub digest: String,
    /// Digest of its configuration.
    pub image_id: String,
    /// Digest of the list it was chosen from; empty: none.
    pub list_digest: String,
    /// Name in the image.
    pub local_name: String,
    /// Whether its registry's certificate is checked, where it is said.
    pub tls_verify: Option<bool>,
    /// Whether it lies in the containers-storage of this machine.
    pub local: bool,
}

/// A resolved commit.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Commit {
    /// Ref, or empty.
    pub reference: String,
    /// Address of the repository.
    pub url: String,
    /// Address of its content, where it is another.
    pub content_url: String,
    /// Checksum.
    pub checksum: String,
    /// Name of the secrets, or empty.
    pub secrets: String,
}

/// A resolved flatpak, which is a container of a registry.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Flatpak {
    /// Name of the remote in the image.
    pub remote_name: String,
    /// The container.
    pub container: Container,
}

/// What one pipeline's needs were resolved to, in the order of the requests.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ResolvedContent {
    /// Packages.
    pub packages: Depsolved,
    /// Containers.
    pub containers: Vec<Container>,
    /// Commits.
    pub commits: Vec<Commit>,
    /// Flatpaks.
    pub flatpaks: Vec<Flatpak>,
}
