//! What the generator asks for, and what it gets: content of pipelines.
use crate::commits::WantedCommit;
use crate::containers::WantedImage;
use crate::error::{Kind, ResolveError, Result};
use crate::flatpaks::{FoundFlatpak, WantedFlatpak};
use crate::jobs::{JobPackage, ModuleFiles};
use crate::package::Packages;
use crate::solver::{Resolver, Wanted};
use osbuild_wasm_distro::{Arch, Distro};
use osbuild_wasm_generator::content::{
    Commit, CommitRequest, Container, ContainerRequest, Content, Depsolved, Flatpak,
    FlatpakRequest, Module, Repository, ResolvedContent, Transaction,
};
use serde::Deserialize;
use serde_json::Value;
use std::path::PathBuf;

/// For which system content is looked up.
#[derive(Clone, Copy, Debug)]
pub struct System<'a> {
    /// What messages call it.
    pub name: &'a str,
    /// Its architecture, such as `x86_64`.
    pub arch: &'a str,
    /// Version of its distribution.
    pub releasever: &'a str,
    /// Platform of modules, such as `platform:f43`.
    pub platform: &'a str,
}

impl<'a> System<'a> {
    /// A distribution on an architecture.
    #[must_use]
    pub fn of(distro: &'a Distro, arch: Arch) -> Self {
        Self {
            name: &distro.name,
            arch: arch.name(),
            releasever: &distro.release_version,
            platform: &distro.module_platform_id,
        }
    }
}

impl Resolver<'_> {
    /// All content of a pipeline, with a document of its packages (SPDX) if `with_sbom`.
    ///
    /// # Errors
    /// One line: something does not exist, is not to be had, or excludes something else.
    pub fn content(
        &self,
        system: &System<'_>,
        content: &Content,
        with_sbom: bool,
    ) -> Result<(ResolvedContent, Option<Value>)> {
        let (containers, commits) = (content.containers.iter(), content.commits.iter());
        let arch = system.arch;
        let (packages, sbom) = depsolve(self, system, &content.transactions, with_sbom)?;
        let resolved = ResolvedContent {
            packages,
            containers: containers
                .map(|container| image(self, container, arch))
                .collect::<Result<_>>()?,
            commits: commits
                .map(|wanted| commit(self, wanted))
                .collect::<Result<_>>()?,
            flatpaks: flatpaks(self, &content.flatpaks, arch)?,
        };
        Ok((resolved, sbom))
    }
}

/// The image of a reference.
pub(crate) fn image(
    resolver: &Resolver<'_>,
    wanted: &ContainerRequest,
    arch: &str,
) -> Result<Container> {
    let found = resolver.image(&WantedImage {
        reference: &wanted.source,
        arch,
        verify_tls: wanted.tls_verify != Some(false),
        local: wanted.local,
    })?;
    let given = Some(&wanted.name).filter(|name| !name.is_empty());
    Ok(Container {
        local_name: given.cloned().unwrap_or(found.stored_name),
        source: found.name,
        digest: found.digest,
        image_id: found.id,
        list_digest: found.list.unwrap_or_default(),
        tls_verify: wanted.tls_verify,
        local: wanted.local,
    })
}

/// The images of flatpaks.
pub(crate) fn flatpaks(
    resolver: &Resolver<'_>,
    wanted: &[FlatpakRequest],
    arch: &str,
) -> Result<Vec<Flatpak>> {
    let asked: Vec<_> = wanted
        .iter()
        .map(|flatpak| WantedFlatpak {
            url: &flatpak.url,
            reference: &flatpak.reference,
            arch,
        })
        .collect();
    let found = resolver.flatpaks(&asked)?;
    let resolved = |(wanted, found): (&FlatpakRequest, FoundFlatpak)| Flatpak {
        remote_name: wanted.remote_name.clone(),
        container: Container {
            source: found.image.name,
            digest: found.image.digest,
            image_id: found.image.id,
            list_digest: found.image.list.unwrap_or_default(),
            local_name: wanted.reference.clone(),
            tls_verify: (!found.verify_tls).then_some(false),
            local: false,
        },
    };
    Ok(wanted.iter().zip(found).map(resolved).collect())
}

fn commit(resolver: &Resolver<'_>, wanted: &CommitRequest) -> Result<Commit> {
    let found = resolver.commit(&WantedCommit {
        url: &wanted.url,
        reference: &wanted.reference,
        rhsm: wanted.rhsm,
    })?;
    Ok(Commit {
        reference: wanted.reference.clone(),
        url: wanted.url.clone(),
        content_url: wanted.content_url.clone(),
        checksum: found.checksum,
        secrets: found.secrets.unwrap_or_default().to_owned(),
    })
}

/// Packages of the transactions of one pipeline, with a document of them if `with_sbom`.
fn depsolve(
    resolver: &Resolver<'_>,
    system: &System<'_>,
    transactions: &[Transaction],
    with_sbom: bool,
) -> Result<(Depsolved, Option<Value>)> {
    if transactions.is_empty() {
        return Ok((Depsolved::default(), None));
    }
    let (found, repositories) = solve(resolver, system, transactions, with_sbom)?;
    let package = |found: crate::Package| JobPackage::new(found, &repositories).into();
    let depsolved = Depsolved {
        transactions: found
            .transactions
            .into_iter()
            .map(|packages| packages.into_iter().map(package).collect())
            .collect(),
        modules: modules(&found.modules),
        repositories,
    };
    Ok((depsolved, found.sbom))
}

/// What the solver answers for transactions, and the repositories that they name, with the texts of their keys.
pub(crate) fn solve(
    resolver: &Resolver<'_>,
    system: &System<'_>,
    transactions: &[Transaction],
    with_sbom: bool,
) -> Result<(Packages, Vec<Repository>)> {
    let (mut repositories, mut remotes) = (Vec::<Repository>::new(), Vec::new());
    let mut asked = Vec::new();
    for transaction in transactions {
        let named: Vec<_> = transaction
            .repositories
            .iter()
            .map(remote)
            .collect::<Result<_>>()?;
        asked.push(crate::Transaction {
            packages: transaction.include.clone(),
            excludes: transaction.exclude.clone(),
            repositories: named
                .iter()
                .map(|(repository, _)| repository.id.clone())
                .collect(),
            modules: transaction.modules.clone(),
            weak: transaction.install_weak_deps,
        });
        for (repository, remote) in named {
            if repositories.iter().all(|known| known.id != repository.id) {
                repositories.push(repository);
                remotes.push(remote);
            }
        }
    }
    if remotes.is_empty() {
        let (name, arch) = (system.name, system.arch);
        return Err(ResolveError::new(
            Kind::Repository,
            format!(
                "there are no repositories for {name} on {arch}: name some by --repositories or --force-repo"
            ),
        ));
    }
    let wanted = Wanted {
        arch: system.arch,
        releasever: system.releasever,
        platform: Some(system.platform).filter(|platform| !platform.is_empty()),
        repositories: &remotes,
    };
    let mut found = resolver.depsolve(&wanted, &asked, with_sbom)?;
    // A manifest has the keys themselves, not where they are.
    for repository in &mut repositories {
        let keys = found.keys.remove(&repository.id);
        repository.gpgkeys = keys.unwrap_or_default();
    }
    Ok((found, repositories))
}

/// A repository with its id and without the logins in its URLs, and how it is downloaded from.
///
/// # Errors
/// A URL has a login that cannot be read.
pub fn remote(repository: &Repository) -> Result<(Repository, crate::Repository)> {
    let mut remote = described(repository);
    remote.split_logins()?;
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let repository = Repository {
        baseurls: remote.baseurl.clone(),
        metalink: text(&remote.metalink),
        mirrorlist: text(&remote.mirrorlist),
        gpgkeys: remote.gpgkey.clone(),
        ..repository.clone()
    };
    let repository = repository.with_id();
    remote.id.clone_from(&repository.id);
    Ok((repository, remote))
}

fn described(repository: &Repository) -> crate::Repository {
    let text = |value: &String| Some(value.clone()).filter(|value| !value.is_empty());
    let file = |value: &String| text(value).map(PathBuf::from);
    crate::Repository {
        id: repository.id.clone(),
        name: repository.name.clone(),
        baseurl: repository.baseurls.clone(),
        metalink: text(&repository.metalink),
        mirrorlist: text(&repository.mirrorlist),
        gpgcheck: repository.check_gpg,
        repo_gpgcheck: repository.check_repo_gpg,
        gpgkey: repository.gpgkeys.clone(),
        insecure: repository.ignore_ssl == Some(true),
        sslcacert: file(&repository.sslcacert),
        sslclientkey: file(&repository.sslclientkey),
        sslclientcert: file(&repository.sslclientcert),
        rhsm: repository.rhsm,
        module_hotfixes: repository.module_hotfixes,
        priority: repository
            .priority
            .and_then(|priority| i32::try_from(priority).ok()),
        ..crate::Repository::default()
    }
}

/// Enabled modules: an object of their names with the files to write, which were checked when they came.
fn modules(found: &Value) -> Vec<Module> {
    let modules = found.as_object().into_iter().flatten();
    let files = modules.filter_map(|(_, files)| ModuleFiles::deserialize(files).ok());
    files.map(Into::into).collect()
}
