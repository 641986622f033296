//! What `depsolve` and `search` have in common: where packages come from, for which system.
use crate::command_error::{CommandError, Result};
use crate::image::{TargetArguments, for_resolver, wrong};
use crate::interruption::on_interrupt;
use clap::Args;
use osbuild_wasm_distro::Distro;
use osbuild_wasm_events::{Event, Observer};
use osbuild_wasm_files::own_directory;
use osbuild_wasm_report::Diagnostic;
use osbuild_wasm_resolve::{
    Kind, Repository, ResolveError, Resolver, Settings, Wanted, repositories_of,
};
use osbuild_wasm_source::{Allowance, Environment};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Where packages come from, and for which system.
#[derive(Debug, Args)]
pub(crate) struct PackagesArguments {
    /// Repository in place of those of the distribution: a URL, a `.repo` file of dnf, or a directory with metadata or with `.repo`
    /// files; may be given several times
    #[arg(long = "repo", value_name = "URL|FILE|DIR")]
    repos: Vec<String>,
    #[command(flatten)]
    target: TargetArguments,
    /// Version of the distribution for `$releasever`; that of --distro when it is not given
    #[arg(long, value_name = "VERSION")]
    releasever: Option<String>,
    /// Platform of modules, such as platform:el9; that of --distro when it is not given
    #[arg(long, value_name = "NAME:STREAM")]
    platform: Option<String>,
    /// Directory that keeps metadata of repositories
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Another solver that speaks the protocol of osbuild-depsolve-dnf
    #[arg(long, value_name = "PROGRAM")]
    solver: Option<PathBuf>,
}

impl PackagesArguments {
    /// Asks a resolver about the repositories.
    pub(crate) fn ask<T>(
        &self,
        question: impl FnOnce(&Resolver<'_>, &Wanted<'_>) -> std::result::Result<T, ResolveError>,
    ) -> Result<T> {
        let arch = self.target.arch()?.name();
        let distro = self.distro()?;
        let release = distro.as_ref().map(|(distro, _)| &distro.release_version);
        let platform = distro
            .as_ref()
            .map(|(distro, _)| &distro.module_platform_id);
        let (release, platform) = (
            self.releasever.as_ref().or(release),
            self.platform.as_ref().or(platform),
        );
        let repositories = match (&*self.repos, distro.as_ref()) {
            ([], Some((_, repositories))) => repositories.clone(),
            _ => self.repositories(arch, release)?,
        };
        let wanted = Wanted {
            arch,
            releasever: release.map_or("", String::as_str),
            platform: platform
                .map(String::as_str)
                .filter(|platform| !platform.is_empty()),
            repositories: &repositories,
        };
        ask(
            &wanted,
            self.cache.as_deref(),
            self.solver.as_deref(),
            question,
        )
    }

    /// The distribution with its repositories: the one that is named, or, where no repository is, that of this machine.
    fn distro(&self) -> Result<Option<(Distro, Vec<Repository>)>> {
        if self.target.distro.is_none() && !self.repos.is_empty() {
            return Ok(None);
        }
        let definitions = self.target.definitions.load()?;
        let distro = self.target.distro(&definitions)?;
        let found = definitions.repositories(&distro, self.target.arch()?);
        let found = found.map_err(|error| CommandError::invalid(wrong(error)))?;
        let repositories: Result<Vec<_>> = found.into_iter().map(for_resolver).collect();
        Ok(Some((
            distro,
            repositories?.into_iter().flatten().collect(),
        )))
    }

    fn repositories(&self, arch: &str, release: Option<&String>) -> Result<Vec<Repository>> {
        let mut variables = vec![("basearch", arch), ("arch", arch)];
        variables.extend(release.map(|release| ("releasever", release.as_str())));
        let mut all: Vec<Repository> = Vec::new();
        for word in &self.repos {
            let found = repositories_of(word, &variables);
            let found =
                found.map_err(|error| CommandError::invalid(Diagnostic::from_error(&error)))?;
            for repository in found {
                if all.iter().any(|known| known.id == repository.id) {
                    let problem = format!(
                        "two repositories are called {}: rename one of them",
                        repository.id
                    );
                    return Err(CommandError::invalid(Diagnostic::new(problem)));
                }
                all.push(repository);
            }
        }
        Ok(all)
    }
}

/// Asks a resolver about repositories.
pub(crate) fn ask<T>(
    wanted: &Wanted<'_>,
    cache: Option<&Path>,
    solver: Option<&Path>,
    question: impl FnOnce(&Resolver<'_>, &Wanted<'_>) -> std::result::Result<T, ResolveError>,
) -> Result<T> {
    let cache = metadata_cache(cache)?;
    let (environment, cancel) = (Environment::of_process(), Arc::new(AtomicBool::new(false)));
    let interrupt = cancel.clone();
    on_interrupt(move || interrupt.store(true, Ordering::Relaxed));
    let settings = Settings {
        cache: &cache,
        solver,
        environment: &environment,
        allowance: &|_| Allowance::EVERYTHING,
        observer: &Log,
        cancel: &cancel,
    };
    let answer = question(&Resolver::new(settings)?, wanted);
    answer.map_err(|error| match cancel.load(Ordering::Relaxed) {
        true => CommandError::interrupted(),
        false => error.into(),
    })
}

/// The directory for metadata: the one that is named, or one of the user's cache.
pub(crate) fn metadata_cache(named: Option<&Path>) -> Result<PathBuf> {
    let of_user = || Some(own_directory("XDG_CACHE_HOME", ".cache")?.join("osbuild-wasm/metadata"));
    let cache = named.map(Path::to_owned).or_else(of_user);
    let cache = cache.ok_or_else(|| {
        CommandError::invalid(Diagnostic::new(
            "there is no home directory for the cache of metadata: name one with --cache",
        ))
    })?;
    Ok(std::path::absolute(&cache)?)
}

impl From<ResolveError> for CommandError {
    fn from(error: ResolveError) -> Self {
        let diagnostic = Diagnostic::from_error(&error);
        match error.kind {
            Kind::Missing => Self::invalid(diagnostic),
            _ => Self::failed(diagnostic),
        }
    }
}

/// Shows what happens on the way.
pub(crate) struct Log;

impl Observer for Log {
    fn event(&self, event: &Event) {
        if let Event::SourceLog { text, .. } = event {
            err(text.trim_end());
        }
    }
}

fn err(text: &str) {
    errln!("{text}");
}

/// Bytes as people read them.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["B", "KiB", "MiB", "GiB"];
    let mut unit = 0;
    let mut amount = count as f64;
    while amount >= 1024.0 && unit + 1 < UNITS.len() {
        amount /= 1024.0;
        unit += 1;
    }
    match unit {
        0 => format!("{count} B"),
        _ => format!("{amount:.1} {}", UNITS[unit]),
    }
}

/// Whether a path of the command line can be written, before anything else is done.
pub(crate) fn check_output(path: Option<&Path>) -> Result<()> {
    path.map_or(Ok(()), crate::output_file::check)
}
