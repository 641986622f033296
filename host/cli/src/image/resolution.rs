//! Content of the network, and the manifest that is made of it.
use super::ImageRequest;
use super::lookups::{Lookups, logins, lookups_of};
use crate::command_error::{CommandError, Result};
use crate::commands::packages::{bytes, metadata_cache};
use crate::policy_file::PolicyFile;
use crate::print::show_for_now;
use clap::Args;
use osbuild_wasm_capability::record::LookupRecord;
use osbuild_wasm_events::{Event, Observer};
use osbuild_wasm_generator::GeneratorError;
use osbuild_wasm_generator::content::{
    Commit, CommitRequest, Container, ContainerRequest, Content, Depsolved, Flatpak,
    FlatpakRequest, Module, Package, Repository, ResolvedContent, Transaction,
};
use osbuild_wasm_generator::plan::{Needs, Plan};
use osbuild_wasm_report::{Diagnostic, count, duration};
use osbuild_wasm_resolve as resolve;
use osbuild_wasm_source::{Environment, Logins};
use serde_json::Value;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How packages are chosen.
#[derive(Debug, Args)]
pub(crate) struct ResolveArguments {
    /// Directory for the metadata of repositories; one of the user's cache when it is not given
    #[arg(long, value_name = "DIR")]
    pub(crate) rpmmd_cache: Option<PathBuf>,
    /// Another program that chooses packages, with the protocol of osbuild-depsolve-dnf
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) solver: Option<PathBuf>,
    /// What stages may do, and whom sources may ask, for metadata too; nothing is asked or run that it does not allow
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
}

/// What a manifest is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// This process builds it.
    Build,
    /// It is written down, and others build it.
    Document,
}

/// What of looking content up is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shows {
    /// What was found for each pipeline, and on a terminal what is downloaded.
    Everything,
    /// What does not go well.
    Problems,
}

/// A manifest, and what it is made of.
#[derive(Debug)]
pub(crate) struct Resolved {
    /// The manifest.
    pub(crate) manifest: Value,
    /// Documents (SPDX) of the packages of each pipeline that has some, if they were asked for.
    pub(crate) sboms: Vec<(String, Value)>,
    /// Logins for its mirrors, which are not in it.
    pub(crate) logins: Logins,
    /// Whom was asked what it should have.
    pub(crate) lookups: Vec<LookupRecord>,
}

impl ResolveArguments {
    /// The manifest of a request, its content resolved.
    pub(crate) fn manifest(
        &self,
        request: &ImageRequest,
        purpose: Purpose,
        with_sboms: bool,
        shows: Shows,
    ) -> Result<Resolved> {
        let plan = Plan::new(request.as_request())?;
        let needs = plan.content();
        let logins = logins(&needs, purpose)?;
        let policy = self.policy.as_deref().map(PolicyFile::read).transpose()?;
        let lookups = Lookups::judge(&lookups_of(&needs)?, policy.as_ref())?;
        let mut sboms = Vec::new();
        let sink = with_sboms.then_some(&mut sboms);
        let resolved = self.resolve(request, &needs, &lookups, sink, shows)?;
        let manifest = plan.manifest(&resolved)?;
        Ok(Resolved {
            manifest,
            sboms,
            logins,
            lookups: lookups.records(),
        })
    }

    fn resolve(
        &self,
        request: &ImageRequest,
        needs: &Needs,
        lookups: &Lookups,
        mut sboms: Option<&mut Vec<(String, Value)>>,
        shows: Shows,
    ) -> Result<Vec<ResolvedContent>> {
        let cache = metadata_cache(self.rpmmd_cache.as_deref())?;
        // Ctrl-C ends the program, and the cache does not mind. A handler would be a thread, and that of the build comes after its isolation.
        let (environment, cancel) = (Environment::of_process(), AtomicBool::new(false));
        let downloads = Downloads::new(shows);
        let allowance = |source: &'static str| lookups.allowance(source);
        let resolver = resolve::Resolver::new(resolve::Settings {
            cache: &cache,
            solver: self.solver.as_deref(),
            environment: &environment,
            allowance: &allowance,
            observer: &downloads,
            cancel: &cancel,
        })?;
        let pipelines = needs.iter().map(|(pipeline, content)| {
            let started = Instant::now();
            let found = resolved(&resolver, request, content, sboms.is_some());
            downloads.clear();
            let (resolved, sbom) = found.map_err(|error| of_pipeline(error, pipeline))?;
            if shows == Shows::Everything {
                say_found(pipeline, &resolved, started.elapsed());
            }
            if let Some(sboms) = &mut sboms {
                sboms.extend(sbom.map(|sbom| (pipeline.clone(), sbom)));
            }
            Ok(resolved)
        });
        pipelines.collect()
    }
}

/// Says what the content of a pipeline is, if it has some.
fn say_found(pipeline: &str, found: &ResolvedContent, span: Duration) {
    let packages = found.packages.transactions.iter().map(Vec::len).sum();
    let counts = [
        (packages, "package"),
        (found.containers.len(), "container"),
        (found.commits.len(), "commit"),
        (found.flatpaks.len(), "flatpak"),
    ];
    let counts = counts.into_iter().filter(|(number, _)| *number > 0);
    let counts: Vec<_> = counts.map(|(number, noun)| count(number, noun)).collect();
    if !counts.is_empty() {
        let counts = counts.join(", ");
        errln!(
            "pipeline {pipeline}: {counts} ... found in {}",
            duration(span)
        );
    }
}

/// Shows what is downloaded, on a terminal by a line that goes again. A display of its own would be a thread, and the isolation of the
/// build comes first.
pub(super) struct Downloads {
    has_display: bool,
    /// A line is there.
    is_shown: AtomicBool,
}

impl Downloads {
    pub(super) fn new(shows: Shows) -> Self {
        Self {
            has_display: shows == Shows::Everything && io::stderr().is_terminal(),
            is_shown: AtomicBool::new(false),
        }
    }

    /// Takes the line away.
    fn clear(&self) {
        if self.is_shown.swap(false, Ordering::Relaxed) {
            show_for_now("");
        }
    }
}

impl Observer for Downloads {
    fn event(&self, event: &Event) {
        match event {
            Event::SourceLog { text, .. } => {
                self.clear();
                errln!("{}", text.trim_end());
            }
            Event::SourceProgress {
                items_done,
                items_total,
                bytes_done,
                ..
            } if self.has_display => {
                self.is_shown.store(true, Ordering::Relaxed);
                let size = bytes(*bytes_done);
                show_for_now(&format!(
                    "metadata: {items_done}/{items_total} items, {size}"
                ));
            }
            _ => (),
        }
    }
}

/// All content of a pipeline, with a document of its packages if `with_sbom`.
fn resolved(
    resolver: &resolve::Resolver<'_>,
    request: &ImageRequest,
    content: &Content,
    with_sbom: bool,
) -> Result<(ResolvedContent, Option<Value>), resolve::ResolveError> {
    let (containers, commits) = (content.containers.iter(), content.commits.iter());
    let arch = request.arch.name();
    let (packages, sbom) = depsolve(resolver, request, &content.transactions, with_sbom)?;
    let resolved = ResolvedContent {
        packages,
        containers: containers
            .map(|container| image(resolver, container, arch))
            .collect::<Result<_, _>>()?,
        commits: commits
            .map(|wanted| commit(resolver, wanted))
            .collect::<Result<_, _>>()?,
        flatpaks: flatpaks(resolver, &content.flatpaks, arch)?,
    };
    Ok((resolved, sbom))
}

fn of_pipeline(error: resolve::ResolveError, pipeline: &str) -> CommandError {
    let exit = error.kind;
    let diagnostic = Diagnostic::from_error(&error).at(format!("content of pipeline {pipeline}"));
    match exit {
        resolve::Kind::Missing => CommandError::invalid(diagnostic),
        _ => CommandError::failed(diagnostic),
    }
}

fn image(
    resolver: &resolve::Resolver<'_>,
    wanted: &ContainerRequest,
    arch: &str,
) -> Result<Container, resolve::ResolveError> {
    let found = resolver.image(&resolve::WantedImage {
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

fn flatpaks(
    resolver: &resolve::Resolver<'_>,
    wanted: &[FlatpakRequest],
    arch: &str,
) -> Result<Vec<Flatpak>, resolve::ResolveError> {
    let asked: Vec<_> = wanted
        .iter()
        .map(|flatpak| resolve::WantedFlatpak {
            url: &flatpak.url,
            reference: &flatpak.reference,
            arch,
        })
        .collect();
    let found = resolver.flatpaks(&asked)?;
    let resolved = |(wanted, found): (&FlatpakRequest, resolve::FoundFlatpak)| Flatpak {
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

fn commit(
    resolver: &resolve::Resolver<'_>,
    wanted: &CommitRequest,
) -> Result<Commit, resolve::ResolveError> {
    let found = resolver.commit(&resolve::WantedCommit {
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
    resolver: &resolve::Resolver<'_>,
    request: &ImageRequest,
    transactions: &[Transaction],
    with_sbom: bool,
) -> Result<(Depsolved, Option<Value>), resolve::ResolveError> {
    if transactions.is_empty() {
        return Ok((Depsolved::default(), None));
    }
    let (mut repositories, mut remotes) = (Vec::<Repository>::new(), Vec::new());
    let mut asked = Vec::new();
    for transaction in transactions {
        let named: Vec<_> = transaction
            .repositories
            .iter()
            .map(remote)
            .collect::<Result<_, _>>()?;
        asked.push(resolve::Transaction {
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
    let wanted = resolve::Wanted {
        arch: request.arch.name(),
        releasever: &request.distro.release_version,
        platform: Some(&request.distro.module_platform_id),
        repositories: &remotes,
    };
    let mut found = resolver.depsolve(&wanted, &asked, with_sbom)?;
    // A manifest has the keys themselves, not where they are.
    for repository in &mut repositories {
        let keys = found.keys.remove(&repository.id);
        repository.gpgkeys = keys.unwrap_or_default();
    }
    let package = |found: resolve::Package| package(found, &repositories);
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

/// A repository with its id and without the logins in its URLs, and how it is downloaded from.
pub(crate) fn remote(
    repository: &Repository,
) -> Result<(Repository, resolve::Repository), resolve::ResolveError> {
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

fn described(repository: &Repository) -> resolve::Repository {
    let text = |value: &String| Some(value.clone()).filter(|value| !value.is_empty());
    let file = |value: &String| text(value).map(PathBuf::from);
    resolve::Repository {
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
        ..resolve::Repository::default()
    }
}

fn package(found: resolve::Package, repositories: &[Repository]) -> Package {
    let repository = repositories
        .iter()
        .find(|repository| repository.id == found.repo_id);
    let checksum = found
        .checksum
        .map(|checksum| format!("{}:{}", checksum.algorithm, checksum.value));
    Package {
        name: found.name,
        epoch: found.epoch,
        version: found.version,
        release: found.release,
        arch: found.arch,
        checksum: checksum.unwrap_or_default(),
        location: found.location,
        repository: found.repo_id,
        check_gpg: repository.is_some_and(|repository| repository.check_gpg == Some(true)),
        files: found.files,
    }
}

/// Enabled modules: an object of their names with the files to write.
fn modules(found: &Value) -> Vec<Module> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let module = |(_, files): (&String, &Value)| Module {
        config: files["module-file"]["data"].clone(),
        failsafe_path: text(&files["failsafe-file"]["path"]),
        failsafe_data: text(&files["failsafe-file"]["data"]),
    };
    found
        .as_object()
        .into_iter()
        .flatten()
        .map(module)
        .collect()
}

impl From<GeneratorError> for CommandError {
    fn from(error: GeneratorError) -> Self {
        let diagnostic = Diagnostic::from_error(&error);
        match error {
            GeneratorError::Unresolved { .. } => Self::failed(diagnostic),
            GeneratorError::Request(_) | GeneratorError::PartitionTable(_) => {
                Self::invalid(diagnostic)
            }
        }
    }
}
