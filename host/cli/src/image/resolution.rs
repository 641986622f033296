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
use osbuild_wasm_generator::content::ResolvedContent;
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
        let system = resolve::System::of(&request.distro, request.arch);
        let pipelines = needs.iter().map(|(pipeline, content)| {
            let started = Instant::now();
            let found = resolver.content(&system, content, sboms.is_some());
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

fn of_pipeline(error: resolve::ResolveError, pipeline: &str) -> CommandError {
    let exit = error.kind;
    let diagnostic = Diagnostic::from_error(&error).at(format!("content of pipeline {pipeline}"));
    match exit {
        resolve::Kind::Missing => CommandError::invalid(diagnostic),
        _ => CommandError::failed(diagnostic),
    }
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
