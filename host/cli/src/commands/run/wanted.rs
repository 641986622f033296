//! What the options mean for a manifest.
use super::{OutputDialect, RunCommand};
use crate::command_error::{CommandError, Result};
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
    pub(super) fn new(command: &RunCommand, manifest: &Manifest) -> Result<Self> {
        let names = || {
            manifest
                .pipelines
                .iter()
                .map(|pipeline| pipeline.name.as_str())
        };
        command.check_in_vm(manifest)?;
        let unknown = |export: &&String| manifest.pipeline(export).is_none();
        let unknown: Vec<_> = command.args.export.iter().filter(unknown).collect();
        let messages = unknown.iter().map(|export| {
            let message = format!("Export {export} not found in {}", python_list(names()));
            (message, nearest(export, names()))
        });
        let messages: Vec<_> = messages.collect();
        if !messages.is_empty() {
            return Err(command.does_not_fit(&messages));
        }
        Ok(Self {
            checkpoints: checkpoints(command, manifest)?,
        })
    }

    /// What goes where.
    pub(super) fn exports(&self, command: &RunCommand, manifest: &Manifest) -> Result<Vec<Export>> {
        let wanted = &command.args.export;
        let leaves = |name: &&String| name.contains('/') || name.starts_with('.');
        if let Some(name) = wanted.iter().find(leaves) {
            let message = format!("export {name:?} cannot be the name of a directory");
            return Err(CommandError::invalid(Diagnostic::new(message)));
        }
        let mut exports = Vec::new();
        match &command.args.output_directory {
            Some(output) => exports.extend(wanted.iter().map(|name| Export {
                name: name.clone(),
                path: output.join(name),
            })),
            None if wanted.is_empty() => (),
            None => {
                let message = "Need --output-directory for --export".to_owned();
                return Err(command.does_not_fit(&[(message, None)]));
            }
        }
        if let Some(output) = &command.output {
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
fn checkpoints(command: &RunCommand, manifest: &Manifest) -> Result<BTreeSet<String>> {
    let mut ids = BTreeSet::new();
    for pattern in &command.args.checkpoint {
        let glob = glob::Pattern::new(pattern).map_err(|error| {
            let message = format!("--checkpoint {pattern}: {error}");
            CommandError::invalid(Diagnostic::new(message))
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
    if ids.is_empty() && !command.args.checkpoint.is_empty() {
        let message = "No checkpoints matched provided patterns!".to_owned();
        let near = |pattern: &String| nearest(pattern, checkpoint_names(manifest));
        let near = command.args.checkpoint.iter().find_map(near);
        return Err(command.does_not_fit(&[(message, near)]));
    }
    Ok(ids)
}

fn checkpoint_names(manifest: &Manifest) -> impl Iterator<Item = &str> {
    manifest.pipelines.iter().flat_map(|pipeline| {
        let stages = pipeline.stages.iter().map(Stage::requested_module);
        std::iter::once(pipeline.name.as_str()).chain(stages)
    })
}

impl RunCommand {
    /// A name that no pipeline has would leave the one that was meant outside of its virtual machine. osbuild passes it over.
    fn check_in_vm(&self, manifest: &Manifest) -> Result<()> {
        if self.dialect == OutputDialect::Osbuild {
            return Ok(());
        }
        let names = || manifest.pipelines.iter().map(|pipeline| &pipeline.name);
        let unknown = |name: &&String| !names().any(|known| known == *name);
        let Some(name) = self.in_vm.iter().find(unknown) else {
            return Ok(());
        };
        let message = format!("--in-vm {name}: the manifest has no such pipeline");
        let hint = nearest(name, names()).map(|near| format!("did you mean {near}?"));
        let diagnostic = hint
            .into_iter()
            .fold(Diagnostic::new(message), Diagnostic::hint);
        Err(CommandError::invalid(diagnostic))
    }

    /// Options that do not fit the manifest, each with a name that may be meant. osbuild has its own words, its place for them and its
    /// exit code.
    fn does_not_fit(&self, problems: &[(String, Option<String>)]) -> CommandError {
        let messages: Vec<_> = problems.iter().map(|(message, _)| &**message).collect();
        let near = problems.iter().filter_map(|(_, near)| near.as_ref());
        let hints = near.map(|near| format!("did you mean {near}?"));
        if self.dialect == OutputDialect::Own {
            let diagnostic = Diagnostic::new(messages.join("; "));
            return CommandError::invalid(hints.fold(diagnostic, Diagnostic::hint));
        }
        let is_about_names = messages.iter().any(|message| !message.starts_with("Need "));
        let failed = if is_about_names { "\nFailed" } else { "" };
        CommandError::osbuild(
            format!("{}{failed}\n", messages.join("\n")),
            hints.collect(),
        )
    }
}

/// `['a', 'b']`, as osbuild lists names.
fn python_list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    python_repr(&names.map(Value::from).collect::<Vec<_>>().into())
}
