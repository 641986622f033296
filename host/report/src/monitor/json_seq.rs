//! The JSON sequence (RFC 7464) that programs read to follow a run, as osbuild's `JSONSeqMonitor` writes it.

use super::contexts::{Context, Contexts, Named};
use super::out::Out;
use super::records::{source_result, stage_result, without_empty};
use super::{host_lines, source_origin};
use crate::members::Members;
use crate::style::Colour;
use osbuild_wasm_events::{Event, Observer, SourceOutcome, StageOutcome};
use osbuild_wasm_manifest::json::{Value, to_python};
use osbuild_wasm_manifest::printable::printable_json;
use std::collections::HashMap;
use std::fmt;
use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

/// Starts each record.
const RECORD_SEPARATOR: char = '\u{1e}';

/// Writes one JSON record per event; each record is written at once.
pub struct JsonSeqMonitor {
    state: Mutex<State>,
    clock: fn() -> f64,
}

struct State {
    out: Out,
    contexts: Contexts,
    manifest: String,
    total: u64,
    done: u64,
    /// Ids of the sources that were begun, by module.
    sources: HashMap<String, String>,
    /// Pipelines at work, by name.
    running: HashMap<String, Running>,
}

/// A pipeline at work.
struct Running {
    id: Option<String>,
    stages: u64,
    stages_done: u64,
    /// The stage that runs, and its options.
    stage: Option<(Named, Value)>,
}

/// What a record has beside `context`, `progress` and `timestamp`.
#[derive(Default)]
struct Record {
    message: String,
    result: Option<Value>,
    options: Option<Value>,
    duration: Option<Duration>,
    metadata: Option<Value>,
}

impl JsonSeqMonitor {
    /// A sequence to a writer.
    pub fn new(writer: impl Write + Send + 'static) -> Self {
        JsonSeqMonitor::with_clock(writer, unix_time)
    }

    pub(crate) fn with_clock(writer: impl Write + Send + 'static, clock: fn() -> f64) -> Self {
        let state = State {
            out: Out::new(writer, Colour::Never),
            contexts: Contexts::default(),
            manifest: String::new(),
            total: 0,
            done: 0,
            sources: HashMap::new(),
            running: HashMap::new(),
        };
        JsonSeqMonitor {
            state: Mutex::new(state),
            clock,
        }
    }

    /// The first error of the writer, once.
    pub fn take_error(&self) -> Option<io::Error> {
        self.state().out.take_error()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for JsonSeqMonitor {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("JsonSeqMonitor").finish_non_exhaustive()
    }
}

impl Observer for JsonSeqMonitor {
    fn event(&self, event: &Event) {
        let mut state = self.state();
        // Taken under the lock, so that the times of a sequence never go back.
        let now = (self.clock)();
        state.take(event, now);
    }
}

impl State {
    fn take(&mut self, event: &Event, now: f64) {
        match event {
            Event::RunStarted {
                manifest,
                sources,
                pipelines,
            } => {
                self.manifest.clone_from(manifest);
                self.total = (sources + pipelines.len()) as u64;
                self.run_record(format!("starting {manifest}"), now);
            }
            Event::SourceStarted { module, id } => self.source_started(module, id, now),
            Event::SourceLog { module, text } => self.source_log(module, text, now),
            Event::SourceFinished(source) => self.source_finished(source, now),
            Event::PipelineStarted {
                name, id, stages, ..
            } => {
                self.running
                    .insert(name.clone(), Running::new(id.clone(), *stages));
                self.pipeline_record(
                    name,
                    "osbuild.monitor",
                    format!("Starting pipeline {name}"),
                    now,
                );
            }
            Event::StageStarted {
                pipeline,
                module,
                id,
                options,
            } => {
                if let Some(running) = self.running.get_mut(pipeline) {
                    running.stage = Some((Named::new(module, Some(id)), options.clone()));
                }
                self.pipeline_record(
                    pipeline,
                    "osbuild.monitor",
                    format!("Starting module {module}"),
                    now,
                );
            }
            Event::StageLog {
                pipeline,
                module,
                text,
                ..
            } if !text.is_empty() => {
                self.pipeline_record(pipeline, &format!("stages/{module}"), text.clone(), now);
            }
            Event::HostLog {
                pipeline,
                origin,
                text,
            } => {
                self.pipeline_record(pipeline, "org.osbuild", host_lines(origin, text), now);
            }
            Event::StageFinished(stage) => self.stage_finished(stage, now),
            // Cached pipelines end without having begun; the sequence does not count them.
            Event::PipelineFinished { name, .. } if self.running.contains_key(name) => {
                self.pipeline_finished(name, now);
            }
            Event::RunFinished { success, .. } => {
                let how = if *success {
                    "finished successfully"
                } else {
                    "failed"
                };
                self.run_record(format!("manifest {} {how}\n", self.manifest), now);
            }
            _ => (),
        }
    }

    fn source_started(&mut self, module: &str, id: &str, now: f64) {
        self.sources.insert(module.to_owned(), id.to_owned());
        let message = Record::message(format!("Starting pipeline source {module}"));
        self.record(source_context(module, Some(id)), message, None, now);
    }

    fn source_log(&mut self, module: &str, text: &str, now: f64) {
        let id = self.sources.get(module).map(String::as_str);
        let context = Context {
            origin: "org.osbuild".to_owned(),
            ..source_context(module, id)
        };
        let text = host_lines(&source_origin(module), text);
        self.record(context, Record::message(text), None, now);
    }

    fn pipeline_finished(&mut self, name: &str, now: f64) {
        self.count_one();
        let context = self.context("osbuild.monitor", name);
        self.running.remove(name);
        let message = Record::message(format!("Finished pipeline {name}"));
        self.record(context, message, None, now);
    }

    fn source_finished(&mut self, source: &SourceOutcome, now: f64) {
        let context = || source_context(&source.module, Some(&source.id));
        let finished = Record {
            result: Some(source_result(source)),
            ..Record::message(format!("Finished module source {}", source.module))
        };
        self.record(context(), finished, None, now);
        self.count_one();
        let message = format!("Finished pipeline {}", source.module);
        self.record(context(), Record::message(message), None, now);
    }

    fn stage_finished(&mut self, stage: &StageOutcome, now: f64) {
        let mut context = self.context("osbuild.monitor", &stage.pipeline);
        context.stage = Named::new(&stage.module, Some(&stage.id));
        let mut options = None;
        if let Some(running) = self.running.get_mut(&stage.pipeline) {
            running.stages_done += 1;
            options = running.stage.take().map(|(_, options)| options);
        }
        let finished = Record {
            result: Some(stage_result(stage)),
            options: options.filter(Value::is_truthy),
            duration: Some(stage.duration),
            metadata: stage.metadata.clone(),
            ..Record::message(format!("Finished module {}", stage.module))
        };
        self.record(context, finished, Some(&stage.pipeline), now);
    }

    fn count_one(&mut self) {
        self.done = self.total.min(self.done + 1);
    }

    /// A record about the run itself.
    fn run_record(&mut self, message: String, now: f64) {
        let context = Context {
            origin: "osbuild.main_cli".to_owned(),
            pipeline: Named::default(),
            stage: Named::default(),
        };
        self.record(context, Record::message(message), None, now);
    }

    /// A record about a pipeline at work, or the stage that runs in it.
    fn pipeline_record(&mut self, pipeline: &str, origin: &str, message: String, now: f64) {
        let context = self.context(origin, pipeline);
        self.record(context, Record::message(message), Some(pipeline), now);
    }

    /// The context of a pipeline and of the stage that runs in it now.
    fn context(&self, origin: &str, pipeline: &str) -> Context {
        let running = self.running.get(pipeline);
        let stage = running.and_then(|running| running.stage.as_ref());
        Context {
            origin: origin.to_owned(),
            pipeline: Named::new(pipeline, running.and_then(|running| running.id.as_deref())),
            stage: stage.map(|(stage, _)| stage.clone()).unwrap_or_default(),
        }
    }

    fn record(&mut self, context: Context, record: Record, pipeline: Option<&str>, now: f64) {
        let members = Members::default()
            .with("message", record.message)
            .with("result", record.result)
            .with("context", self.contexts.member(&context))
            .with("progress", self.progress(pipeline))
            .with("options", record.options)
            .with("timestamp", now)
            .with(
                "duration",
                record.duration.map(|duration| duration.as_secs_f64()),
            )
            .with("metadata", record.metadata);
        let text = to_python(&without_empty(members.into()));
        let text = printable_json(&text);
        self.out.write_raw(&format!("{RECORD_SEPARATOR}{text}\n"));
    }

    /// How far the run is and, below, the pipeline that the record is about.
    fn progress(&self, pipeline: Option<&str>) -> Members {
        let below = pipeline.and_then(|name| {
            let running = self
                .running
                .get(name)
                .filter(|running| running.stages > 0)?;
            Some(progress(
                &format!("pipeline: {name}"),
                running.stages,
                running.stages_done,
            ))
        });
        progress("pipelines/sources", self.total, self.done)
            .with("progress", below.map(Value::from))
    }
}

impl Running {
    fn new(id: Option<String>, stages: usize) -> Self {
        Running {
            id,
            stages: stages as u64,
            stages_done: 0,
            stage: None,
        }
    }
}

impl Record {
    fn message(message: impl Into<String>) -> Self {
        Record {
            message: message.into(),
            ..Record::default()
        }
    }
}

fn progress(name: &str, total: u64, done: u64) -> Members {
    Members::default()
        .with("name", name)
        .with("total", total)
        .with("done", done)
}

fn source_context(module: &str, id: Option<&str>) -> Context {
    Context {
        origin: "osbuild.monitor".to_owned(),
        pipeline: Named::new(format!("source {module}"), id),
        stage: Named::default(),
    }
}

fn unix_time() -> f64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map(|since| since.as_secs_f64()).unwrap_or_default()
}
