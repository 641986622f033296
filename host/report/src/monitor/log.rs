//! The log of a run: everything that happens, as osbuild's `LogMonitor` shows it.

use super::out::Out;
use super::{host_lines, source_origin};
use crate::reasons;
use crate::style::Colour;
use crate::text::printable_log;
use jiff::Timestamp;
use osbuild_wasm_events::{Event, Observer, SourceOutcome};
use osbuild_wasm_manifest::json::{Value, to_python_indent2};
use osbuild_wasm_manifest::model::Runner;
use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

const BOLD: &str = "\x1b[0m\x1b[1m";
const RESET: &str = "\x1b[0m";

/// Writes the log of a run: titles with ids, what stages print as they print it, durations.
#[derive(Debug)]
pub struct LogMonitor {
    state: Mutex<State>,
    ansi: bool,
}

#[derive(Debug)]
struct State {
    out: Out,
    /// How the user calls the manifest.
    manifest: String,
}

impl LogMonitor {
    /// A log to a writer; titles are bold when `ansi` is set.
    pub fn new(writer: impl Write + Send + 'static, ansi: bool) -> Self {
        LogMonitor {
            state: Mutex::new(State {
                out: Out::new(writer, if ansi { Colour::Always } else { Colour::Never }),
                manifest: String::new(),
            }),
            ansi,
        }
    }

    /// The first error of the writer, once.
    pub fn take_error(&self) -> Option<io::Error> {
        self.state().out.take_error()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn title(&self, title: &str) -> String {
        if self.ansi {
            format!("{BOLD}{title}{RESET}")
        } else {
            title.to_owned()
        }
    }

    fn text(&self, event: &Event, manifest: &str) -> String {
        match event {
            Event::RunStarted { manifest, .. } => format!("starting {manifest}\n"),
            Event::SourceStarted { module, id } => {
                let title = self.title(&format!("Pipeline source {module}: {id}"));
                format!("{title}\nBuild\n  root: <host>\n")
            }
            Event::SourceLog { module, text } => host_lines(&source_origin(module), text),
            Event::SourceFinished(source) if !source.success => failed_source(source),
            Event::PipelineStarted {
                name,
                id,
                build,
                runner,
                source_epoch,
                ..
            } => {
                let id = id.as_deref().unwrap_or("None");
                let title = self.title(&format!("Pipeline {name}: {id}"));
                let root = build.as_deref().unwrap_or("<host>");
                let runner = runner.as_ref().map(runner_line).unwrap_or_default();
                let epoch = source_epoch.map(epoch_line).unwrap_or_default();
                format!("{title}\nBuild\n  root: {root}\n{runner}{epoch}")
            }
            Event::StageStarted {
                module,
                id,
                options,
                ..
            } => format!(
                "{} {}\n",
                self.title(&format!("{module}: {id}")),
                options_text(options)
            ),
            Event::StageLog { text, .. } => printable_log(text),
            Event::HostLog { origin, text, .. } => host_lines(origin, text),
            Event::StageFinished(stage) => {
                format!("\n⏱  Duration: {:.2}s\n", stage.duration.as_secs_f64())
            }
            Event::RunFinished { success: true, .. } => {
                format!("manifest {manifest} finished successfully\n")
            }
            Event::RunFinished { success: false, .. } => format!("manifest {manifest} failed\n"),
            _ => String::new(),
        }
    }
}

impl Observer for LogMonitor {
    fn event(&self, event: &Event) {
        let mut state = self.state();
        if let Event::RunStarted { manifest, .. } = event {
            state.manifest.clone_from(manifest);
        }
        let text = self.text(event, &state.manifest);
        state.out.write(&text);
    }
}

/// Requested name and, in brackets, the runner that serves it.
fn runner_line(runner: &Runner) -> String {
    format!("  runner: {} ({})\n", runner.requested, runner.exec)
}

/// The date in UTC, so that the same manifest has the same log everywhere, and the number.
fn epoch_line(seconds: i64) -> String {
    match Timestamp::from_second(seconds) {
        Ok(time) => {
            let date = time.strftime("%a %b %e %H:%M:%S %Y");
            format!("  source-epoch: {date} UTC [{seconds}]\n")
        }
        // Further away than the calendar reaches.
        Err(_) => format!("  source-epoch: [{seconds}]\n"),
    }
}

fn options_text(options: &Value) -> String {
    if options.is_truthy() {
        to_python_indent2(options)
    } else {
        "{}".to_owned()
    }
}

/// Why a source failed, item by item when it tells.
fn failed_source(source: &SourceOutcome) -> String {
    let origin = source_origin(&source.module);
    match reasons::all(source).as_slice() {
        [] => host_lines(&origin, &format!("failed: {}", source.output)),
        reasons => host_lines(&origin, &reasons.join("\n")),
    }
}
