//! `run --record`: from what the stages did and how the run ended to one document.
use super::RunCommand;
use crate::command_error::{CommandError, Result};
use osbuild_wasm_build::{AuthorizedPlan, BuildError};
use osbuild_wasm_capability::record::{
    LookupRecord, ManifestRecord, PipelineRecord, RECORD_FORMAT, Record, SourceItemRecord,
    SourceRecord, StageRecord,
};
use osbuild_wasm_events::{RunOutcome, SourceOutcome};
use osbuild_wasm_files::NewFile;
use osbuild_wasm_manifest::model::Manifest;
use osbuild_wasm_report::Diagnostic;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::time::Instant;

/// A record in the making.
pub(super) struct Recording {
    path: PathBuf,
    file: NewFile,
    manifest: ManifestRecord,
    lookups: Vec<LookupRecord>,
    started: jiff::Timestamp,
    clock: Instant,
}

impl RunCommand {
    /// Begins to record, if that was asked for. The file is made at once, so that nothing is built for a record that cannot be kept.
    pub(super) fn recording(&self, sha256: String) -> Result<Option<Recording>> {
        let Some(path) = self.record.clone() else {
            return Ok(None);
        };
        let file = NewFile::create(&path).map_err(|error| {
            let diagnostic = Diagnostic::new(format!("--record {}", path.display()));
            CommandError::invalid(diagnostic.cause(error.to_string()))
        })?;
        Ok(Some(Recording {
            path,
            file,
            manifest: ManifestRecord {
                name: self.args.manifest.display().to_string(),
                sha256,
            },
            lookups: self.lookups.clone(),
            started: jiff::Timestamp::now(),
            clock: Instant::now(),
        }))
    }
}

impl Recording {
    /// Writes the document; the run may have failed.
    pub(super) fn write(
        self,
        manifest: &Manifest,
        plan: &AuthorizedPlan<'_>,
        built: &Result<RunOutcome, BuildError>,
        stages: Vec<(String, StageRecord)>,
    ) -> io::Result<()> {
        let place = format!("--record {}", self.path.display());
        let failed = |error: io::Error| io::Error::new(error.kind(), format!("{place}: {error}"));
        let error = match built {
            Ok(outcome) => Diagnostic::of_failure(manifest, outcome).map(|error| error.message),
            Err(error) => Some(error.to_string()),
        };
        let outcome = built.as_ref().ok();
        let sources = outcome.map_or(&[][..], |outcome| &outcome.sources);
        let record = Record {
            format: RECORD_FORMAT.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            manifest: self.manifest,
            started: self.started.to_string(),
            duration: self.clock.elapsed().as_secs_f64(),
            success: outcome.is_some_and(|outcome| outcome.success),
            error,
            lookups: self.lookups,
            sources: sources.iter().map(|of| source(plan, of)).collect(),
            pipelines: pipelines(plan, outcome, stages),
        };
        let mut file = BufWriter::new(self.file);
        serde_json::to_writer_pretty(&mut file, &record).map_err(|error| failed(error.into()))?;
        writeln!(file).map_err(failed)?;
        let file = file
            .into_inner()
            .map_err(|error| failed(error.into_error()))?;
        file.finish().map_err(failed)
    }
}

/// The pipelines that were built or found in the store, in the order of the manifest.
fn pipelines(
    plan: &AuthorizedPlan<'_>,
    outcome: Option<&RunOutcome>,
    mut stages: Vec<(String, StageRecord)>,
) -> Vec<PipelineRecord> {
    let mut pipelines = Vec::new();
    let in_machine = |name: &str| {
        let mut planned = plan.document().pipelines.iter();
        planned.any(|planned| planned.name == name && planned.virtual_machine.is_some())
    };
    for pipeline in &plan.manifest().pipelines {
        let of_it: Vec<_> = stages
            .extract_if(.., |(name, _)| *name == pipeline.name)
            .map(|(_, stage)| stage)
            .collect();
        let mut built = outcome.iter().flat_map(|outcome| &outcome.pipelines);
        let built = built.find(|built| built.name == pipeline.name);
        if built.is_some() || !of_it.is_empty() {
            pipelines.push(PipelineRecord {
                name: pipeline.name.clone(),
                id: pipeline.id.clone(),
                cached: built.is_some_and(|built| built.cached),
                in_virtual_machine: !of_it.is_empty() && in_machine(&pipeline.name),
                stages: of_it,
            });
        }
    }
    pipelines
}

fn source(plan: &AuthorizedPlan<'_>, outcome: &SourceOutcome) -> SourceRecord {
    let planned = plan.document().sources.iter();
    let mut planned = planned.filter(|planned| planned.ask.id == outcome.id);
    let planned = planned.next();
    let hosts = planned.map(|planned| planned.ask.hosts.clone());
    // What the store has comes from no server.
    let mut items = outcome.items.iter();
    let is_asked = items.any(|item| item.cached != Some(true));
    let proxies = planned.filter(|_| is_asked);
    let proxies = proxies.map(|planned| planned.ask.proxies.clone());
    let items = outcome.items.iter().map(|item| SourceItemRecord {
        host: item
            .checksum
            .as_ref()
            .and_then(|key| plan.item_host(&outcome.id, key)),
        digest: item.checksum.clone().unwrap_or_default(),
        cached: item.cached.unwrap_or(false),
        error: item.error.clone(),
    });
    SourceRecord {
        module: outcome.module.clone(),
        id: outcome.id.clone(),
        success: outcome.success,
        duration: outcome.duration.as_secs_f64(),
        hosts: hosts.unwrap_or_default(),
        proxies: proxies.unwrap_or_default(),
        items: items.collect(),
    }
}
