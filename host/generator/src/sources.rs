//! The sources of a manifest: what its stages take from outside.
use crate::content::{Commit, Container, Depsolved, Package, Repository};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// Sources, gathered while pipelines are written.
#[derive(Debug, Default)]
pub struct Sources {
    inline: Map<String, Value>,
    mirrors: Map<String, Value>,
    packages: Map<String, Value>,
    commits: Map<String, Value>,
    containers: Map<String, Value>,
    container_lists: Map<String, Value>,
    local_containers: Map<String, Value>,
    files: Map<String, Value>,
}

/// `sha256:` and the checksum of these bytes.
pub fn checksum(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

impl Sources {
    /// Adds text that lies in the manifest itself; returns its checksum.
    pub fn add_inline(&mut self, bytes: &[u8]) -> String {
        let id = checksum(bytes);
        self.inline.insert(
            id.clone(),
            json!({"encoding": "base64", "data": BASE64.encode(bytes)}),
        );
        id
    }

    /// Adds a file of this machine with this checksum.
    pub fn add_local_file(&mut self, path: &str, checksum: &str) {
        self.files
            .insert(checksum.into(), json!({"url": format!("file:{path}")}));
    }

    /// Adds solved packages with their repositories.
    pub fn add_packages(&mut self, depsolved: &Depsolved) {
        for package in depsolved.transactions.iter().flatten() {
            self.add_package(package, &depsolved.repositories);
        }
    }

    fn add_package(&mut self, package: &Package, repositories: &[Repository]) {
        let Some(repository) = repositories
            .iter()
            .find(|repository| repository.id == package.repository)
        else {
            return;
        };
        self.packages.insert(
            package.checksum.clone(),
            json!({"path": package.location, "mirror": repository.id}),
        );
        self.mirrors
            .entry(repository.id.clone())
            .or_insert_with(|| mirror(repository));
    }

    /// Adds a commit.
    pub fn add_commit(&mut self, commit: &Commit) {
        let mut remote = json!({"url": commit.url});
        if !commit.content_url.is_empty() {
            remote["contenturl"] = commit.content_url.clone().into();
        }
        if !commit.secrets.is_empty() {
            remote["secrets"] = json!({"name": commit.secrets});
        }
        self.commits
            .insert(commit.checksum.clone(), json!({"remote": remote}));
    }

    /// Adds a container, and the list it was chosen from.
    pub fn add_container(&mut self, container: &Container) {
        if container.local {
            self.local_containers
                .insert(container.image_id.clone(), json!({}));
            return;
        }
        let mut image = json!({"name": container.source, "digest": container.digest});
        let mut list = json!({"name": container.source});
        if let Some(verify) = container.tls_verify {
            image["tls-verify"] = verify.into();
            list["tls-verify"] = verify.into();
        }
        self.containers
            .insert(container.image_id.clone(), json!({"image": image}));
        if !container.list_digest.is_empty() {
            self.container_lists
                .insert(container.list_digest.clone(), json!({"image": list}));
        }
    }

    /// As they stand in a manifest: what is empty is absent.
    pub fn into_json(self) -> Value {
        let mut sources = Map::new();
        let mut add = |name: &str, items: Map<String, Value>| {
            if !items.is_empty() {
                sources.insert(format!("org.osbuild.{name}"), json!({"items": items}));
            }
        };
        add("containers-storage", self.local_containers);
        add("curl", self.files);
        add("inline", self.inline);
        add("librepo", self.packages);
        add("ostree", self.commits);
        add("skopeo", self.containers);
        add("skopeo-index", self.container_lists);
        if let Some(librepo) = sources.get_mut("org.osbuild.librepo") {
            librepo["options"] = json!({"mirrors": self.mirrors});
        }
        sources.into()
    }
}

/// Where the packages of a repository are found: metalink before list of mirrors before address.
fn mirror(repository: &Repository) -> Value {
    let (url, kind) = if !repository.metalink.is_empty() {
        (repository.metalink.as_str(), "metalink")
    } else if !repository.mirrorlist.is_empty() {
        (repository.mirrorlist.as_str(), "mirrorlist")
    } else {
        (
            repository.baseurls.first().map_or("", String::as_str),
            "baseurl",
        )
    };
    let mut mirror = json!({"url": url, "type": kind});
    if repository.ignore_ssl == Some(true) {
        mirror["insecure"] = true.into();
    }
    if repository.rhsm {
        mirror["secrets"] = json!({"name": "org.osbuild.rhsm"});
    } else if !repository.sslclientkey.is_empty() {
        mirror["secrets"] = json!({"name": "org.osbuild.mtls"});
    }
    mirror
}
