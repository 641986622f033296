//! Tests of this room: events and outcomes made by hand, the texts that come of them.

mod diagnostics;
mod documents;
mod in_order;
mod json_seq;
mod log;
mod progress;
mod results;
mod summary;

use osbuild_wasm_events::{
    Event, Failure, Observer, PipelineOutcome, RunOutcome, SourceItem, SourceOutcome, StageError,
    StageOutcome,
};
use osbuild_wasm_manifest::json::{Object, Value, parse};
use osbuild_wasm_manifest::load::{LoadOptions, load};
use osbuild_wasm_manifest::model::{Manifest, Runner};
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The id of a lone `org.osbuild.noop` without options.
const NOOP: &str = "beda46704765a47e6d4f44aff22168ae36866c9c0e6e11552b775b77776b2969";
const INLINE: &str = "b8a04e4042cdd6b31d19a5b3e80821088521893f35b6a9903a643d454adaad86";
const HELLO: &str = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

fn runner() -> Runner {
    Runner {
        requested: "org.osbuild.debian".into(),
        exec: "org.osbuild.debian".into(),
    }
}

fn manifest(text: &str) -> Manifest {
    let options = LoadOptions {
        host_runner: runner(),
    };
    load(&json(text), &options).unwrap()
}

fn json(text: &str) -> Value {
    parse(text.as_bytes()).unwrap()
}

fn stage(pipeline: &str, module: &str, id: &str) -> StageOutcome {
    StageOutcome {
        pipeline: pipeline.into(),
        module: module.into(),
        id: id.into(),
        success: true,
        output: String::new(),
        error: None,
        metadata: None,
        duration: Duration::from_millis(750),
    }
}

/// The outcome of the stage at `index` of a pipeline of the manifest.
fn outcome_at(manifest: &Manifest, pipeline: &str, index: usize) -> StageOutcome {
    let at = &manifest.pipeline(pipeline).unwrap().stages[index];
    stage(pipeline, at.requested_module(), &at.id)
}

fn failed(outcome: StageOutcome, output: &str) -> StageOutcome {
    StageOutcome {
        success: false,
        output: output.into(),
        ..outcome
    }
}

fn pipeline(manifest: &Manifest, name: &str, stages: Vec<StageOutcome>) -> PipelineOutcome {
    PipelineOutcome {
        name: name.into(),
        id: manifest.pipeline(name).unwrap().id.clone(),
        cached: stages.is_empty(),
        stages,
        metadata: Object::new(),
    }
}

fn outcome(pipelines: Vec<PipelineOutcome>, failure: Option<Failure>) -> RunOutcome {
    RunOutcome {
        success: failure.is_none(),
        sources: Vec::new(),
        pipelines,
        failure,
    }
}

fn host_failure(place: &str, message: &str, details: Option<&str>) -> Failure {
    Failure::Host {
        place: place.into(),
        message: message.into(),
        details: details.map(str::to_owned),
    }
}

fn item(checksum: &str, cached: bool, error: Option<&str>) -> SourceItem {
    SourceItem {
        checksum: Some(checksum.into()),
        cached: Some(cached),
        error: error.map(str::to_owned),
    }
}

fn source(module: &str, id: &str, items: Vec<SourceItem>) -> SourceOutcome {
    SourceOutcome {
        module: module.into(),
        id: id.into(),
        success: items.iter().all(|item| item.error.is_none()),
        items,
        output: String::new(),
        duration: Duration::from_millis(3100),
    }
}

/// A failed download of `sha256:0000`.
fn failed_source() -> SourceOutcome {
    let error = "Checksum mismatch for sha256:0000";
    source(
        "org.osbuild.inline",
        INLINE,
        vec![item("sha256:0000", false, Some(error))],
    )
}

fn pipeline_started(name: &str, id: &str, stages: usize) -> Event {
    Event::PipelineStarted {
        name: name.into(),
        id: Some(id.into()),
        build: None,
        runner: Some(runner()),
        source_epoch: None,
        stages,
        resumed: None,
    }
}

fn pipeline_finished(name: &str, success: bool, cached: bool) -> Event {
    Event::PipelineFinished {
        name: name.into(),
        id: Some(NOOP.into()),
        success,
        duration: Duration::from_secs(125),
        cached,
    }
}

fn stage_started(pipeline: &str, module: &str, id: &str, options: &str) -> Event {
    Event::StageStarted {
        pipeline: pipeline.into(),
        module: module.into(),
        id: id.into(),
        options: json(options),
    }
}

fn stage_log(pipeline: &str, module: &str, id: &str, text: &str) -> Event {
    Event::StageLog {
        pipeline: pipeline.into(),
        module: module.into(),
        id: id.into(),
        text: text.into(),
    }
}

fn run_started(sources: usize, pipelines: &[&str]) -> Event {
    Event::RunStarted {
        manifest: "m.json".into(),
        sources,
        pipelines: pipelines.iter().map(ToString::to_string).collect(),
    }
}

fn run_finished(success: bool) -> Event {
    Event::RunFinished {
        success,
        duration: Duration::from_secs(34),
    }
}

/// A writer whose text can be read while a monitor owns it.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Shared {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A writer without a reader.
struct Broken;

impl Write for Broken {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a monitor writes about some events.
fn written<M: Observer>(monitor: impl FnOnce(Shared) -> M, events: &[Event]) -> String {
    let shared = Shared::default();
    let monitor = monitor(shared.clone());
    events.iter().for_each(|event| monitor.event(event));
    shared.text()
}
