//! From the outcome of a run to a diagnostic.

use super::{Diagnostic, hints};
use crate::outcome::{failed_stage, stage_output, stage_path};
use crate::reasons;
use crate::style::Colour;
use crate::text::count;
use osbuild_wasm_events::{Failure, RunOutcome, SourceOutcome, StageOutcome};
use osbuild_wasm_manifest::model::{Manifest, Version};
use osbuild_wasm_manifest::problem::{PathElement, render_path};

/// How many failed items of a source are named.
const MAX_ITEMS: usize = 10;

/// Why a run failed, as plain text; empty when it succeeded. [`Diagnostic::of_failure`] gives the parts, and colour.
pub fn failure_text(manifest: &Manifest, outcome: &RunOutcome) -> String {
    Diagnostic::of_failure(manifest, outcome)
        .map(|diagnostic| diagnostic.render(Colour::Never))
        .unwrap_or_default()
}

impl Diagnostic {
    /// Why a run failed; none when it succeeded.
    pub fn of_failure(manifest: &Manifest, outcome: &RunOutcome) -> Option<Diagnostic> {
        match outcome.failure.as_ref() {
            None if outcome.success => None,
            None => Some(Diagnostic::new("the run did not end")),
            Some(Failure::Stage(stage)) => Some(of_stage(manifest, stage)),
            Some(Failure::Source(source)) => Some(of_source(manifest, source)),
            Some(Failure::Host {
                place,
                message,
                details,
            }) => {
                let stage = failed_stage(manifest, outcome);
                let details = details.as_deref().unwrap_or_default();
                let log = stage.as_ref().map(|stage| stage_output(outcome, &stage.id));
                let diagnostic = of_host(manifest, stage, place, message).details(details);
                Some(Diagnostic { log, ..diagnostic })
            }
        }
    }
}

fn of_stage(manifest: &Manifest, stage: &StageOutcome) -> Diagnostic {
    let reason = stage.error.as_ref().map(|error| error.message.trim());
    let mut diagnostic = Diagnostic {
        log: Some(stage.output.clone()),
        ..stage_diagnostic(manifest, stage, reason.unwrap_or_default())
    };
    if let Some(details) = stage
        .error
        .as_ref()
        .and_then(|error| error.details.as_ref())
    {
        diagnostic = diagnostic.details(details);
    }
    let told = [reason.unwrap_or_default(), &stage.output].join("\n");
    let build = build_of(manifest, &stage.pipeline);
    hints::for_stage(&told, build)
        .into_iter()
        .fold(diagnostic, Diagnostic::hint)
}

/// The diagnostic of a stage without its log.
fn stage_diagnostic(manifest: &Manifest, stage: &StageOutcome, reason: &str) -> Diagnostic {
    let mut lines = reason.lines();
    let message = match lines.next() {
        Some(reason) => format!(
            "{} failed in pipeline {}: {reason}",
            stage.module, stage.pipeline
        ),
        None => format!("{} failed in pipeline {}", stage.module, stage.pipeline),
    };
    let more: Vec<&str> = lines.collect();
    Diagnostic {
        place: stage_path(manifest, &stage.pipeline, &stage.id),
        id: Some(stage.id.clone()),
        causes: Some(more.join("\n"))
            .filter(|more| !more.is_empty())
            .into_iter()
            .collect(),
        ..Diagnostic::new(message)
    }
}

fn of_host(
    manifest: &Manifest,
    stage: Option<StageOutcome>,
    place: &str,
    message: &str,
) -> Diagnostic {
    match stage {
        Some(stage) => stage_diagnostic(manifest, &stage, message),
        None if place.is_empty() => Diagnostic::new(message),
        None => Diagnostic::new(format!("{place}: {message}")),
    }
}

fn of_source(manifest: &Manifest, source: &SourceOutcome) -> Diagnostic {
    let errors = reasons::all(source);
    let message = match errors.len() {
        0 => format!("source {} failed", source.module),
        failed => format!(
            "source {}: {} of {} could not be fetched",
            source.module,
            failed,
            count(source.items.len(), "item")
        ),
    };
    let mut diagnostic = Diagnostic {
        causes: errors.iter().take(MAX_ITEMS).cloned().collect(),
        // The output repeats the cause when there is one.
        log: errors.is_empty().then(|| source.output.clone()),
        ..Diagnostic::new(message).at(source_path(manifest, source))
    };
    if let Some(more) = errors.len().checked_sub(MAX_ITEMS + 1) {
        diagnostic = diagnostic.cause(format!("and {} more", more + 1));
    }
    let told = [errors.join("\n").as_str(), reasons::first(source)].join("\n");
    hints::for_source(&told)
        .into_iter()
        .fold(diagnostic, Diagnostic::hint)
}

fn source_path(manifest: &Manifest, source: &SourceOutcome) -> String {
    let name: PathElement = match manifest.version {
        Version::V1 if source.module == "org.osbuild.curl" => "org.osbuild.files".into(),
        _ => source.module.as_str().into(),
    };
    render_path(&["sources".into(), name])
}

/// The name of the pipeline that is the build root of another; none when that is the machine itself.
fn build_of<'a>(manifest: &'a Manifest, pipeline: &str) -> Option<&'a str> {
    let build = manifest.pipeline(pipeline)?.build.as_ref()?;
    Some(
        manifest
            .pipelines
            .get(manifest.find_id(build)?)?
            .name
            .as_str(),
    )
}
