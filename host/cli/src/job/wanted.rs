//! What the options mean for a manifest.
use super::{Job, Manner};
use crate::exit::{Exit, say};
use osbuild_wasm_build::Export;
use osbuild_wasm_manifest::json::{Value, python_repr};
use osbuild_wasm_manifest::model::{Manifest, Pipeline, Stage};
use osbuild_wasm_manifest::nearest::nearest;
use osbuild_wasm_report::Diagnostic;
use std::collections::BTreeSet;

/// What is to be kept, after the names of all exports were found to be good.
pub(super) struct Wanted {
    /// Ids of the stages whose result is kept in the store.
    pub(super) checkpoints: BTreeSet<String>,
}

impl Wanted {
    pub(super) fn new(job: &Job, manifest: &Manifest) -> Result<Self, Exit> {
        let names = || {
            manifest
                .pipelines
                .iter()
                .map(|pipeline| pipeline.name.as_str())
        };
        let unknown = |export: &&String| manifest.pipeline(export).is_none();
        let unknown: Vec<_> = job.order.export.iter().filter(unknown).collect();
        let messages = unknown.iter().map(|export| {
            let message = format!("Export {export} not found in {}", python_list(names()));
            (message, nearest(export, names()))
        });
        let messages: Vec<_> = messages.collect();
        if !messages.is_empty() {
            return Err(job.does_not_fit(&messages));
        }
        Ok(Self {
            checkpoints: checkpoints(job, manifest)?,
        })
    }

    /// What goes where.
    pub(super) fn exports(&self, job: &Job, manifest: &Manifest) -> Result<Vec<Export>, Exit> {
        let wanted = &job.order.export;
        let leaves = |name: &&String| name.contains('/') || name.starts_with('.');
        if let Some(name) = wanted.iter().find(leaves) {
            let message = format!("export {name:?} cannot be the name of a directory");
            return Err(job.refused(&Diagnostic::new(message)));
        }
        let mut exports = Vec::new();
        match &job.order.output_directory {
            Some(output) => exports.extend(wanted.iter().map(|name| Export {
                name: name.clone(),
                path: output.join(name),
            })),
            None if wanted.is_empty() => (),
            None => {
                let message = "Need --output-directory for --export".to_owned();
                return Err(job.does_not_fit(&[(message, None)]));
            }
        }
        if let Some(output) = &job.output {
            let is_last =
                |pipeline: &&Pipeline| matches!(pipeline.name.as_str(), "assembler" | "tree");
            let last = manifest.pipelines.iter().rev().find(is_last);
            exports.extend(last.map(|pipeline| Export {
                name: pipeline.name.clone(),
                path: output.clone(),
            }));
        }
        Ok(exports)
    }
}

/// Ids of all stages that a pattern names by pipeline, type or id.
fn checkpoints(job: &Job, manifest: &Manifest) -> Result<BTreeSet<String>, Exit> {
    let mut ids = BTreeSet::new();
    for pattern in &job.order.checkpoint {
        let glob = glob::Pattern::new(pattern).map_err(|error| {
            let message = format!("--checkpoint {pattern}: {error}");
            job.refused(&Diagnostic::new(message))
        })?;
        for pipeline in &manifest.pipelines {
            if glob.matches(&pipeline.name) {
                ids.extend(pipeline.id.clone());
            }
            let named =
                |stage: &&Stage| glob.matches(stage.requested_module()) || glob.matches(&stage.id);
            let stages = pipeline.stages.iter().filter(named);
            ids.extend(stages.map(|stage| stage.id.clone()));
        }
    }
    if ids.is_empty() && !job.order.checkpoint.is_empty() {
        let message = "No checkpoints matched provided patterns!".to_owned();
        let near = |pattern: &String| nearest(pattern, checkpoint_names(manifest));
        let near = job.order.checkpoint.iter().find_map(near);
        return Err(job.does_not_fit(&[(message, near)]));
    }
    Ok(ids)
}

fn checkpoint_names(manifest: &Manifest) -> impl Iterator<Item = &str> {
    manifest.pipelines.iter().flat_map(|pipeline| {
        let stages = pipeline.stages.iter().map(Stage::requested_module);
        std::iter::once(pipeline.name.as_str()).chain(stages)
    })
}

impl Job {
    /// Options that do not fit the manifest, each with a name that may be meant. osbuild has its own words, its place for them and its
    /// exit code.
    fn does_not_fit(&self, problems: &[(String, Option<String>)]) -> Exit {
        if self.manner == Manner::Own {
            let messages: Vec<_> = problems.iter().map(|(message, _)| &**message).collect();
            let near = problems.iter().filter_map(|(_, near)| near.as_ref());
            let hints = near.map(|near| format!("did you mean {near}?"));
            let diagnostic = Diagnostic::new(messages.join("; "));
            return self.refused(&hints.fold(diagnostic, Diagnostic::hint));
        }
        for (message, near) in problems {
            say(&format!("{message}\n"));
            if let Some(near) = near {
                errln!("hint: did you mean {near}?");
            }
        }
        let is_about_names = problems
            .iter()
            .any(|(message, _)| !message.starts_with("Need "));
        if is_about_names {
            say("Failed\n");
        }
        Exit::Failed
    }
}

/// `['a', 'b']`, as osbuild lists names.
fn python_list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    python_repr(&names.map(Value::from).collect::<Vec<_>>().into())
}
