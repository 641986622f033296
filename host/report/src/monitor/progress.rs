//! Progress on a terminal.

use super::lines::milestone;
use crate::style::Colour;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use osbuild_wasm_events::{Event, Observer};
use osbuild_wasm_manifest::printable::printable_line;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How often clocks and spinners move.
const TICK: Duration = Duration::from_millis(250);

const UNKNOWN_SIZE: &str = "{spinner} {prefix:.bold} {bytes} {bytes_per_sec} {wide_msg}";
const KNOWN_SIZE: &str = "{spinner} {prefix:.bold} [{bar:10}] {bytes}/{total_bytes} {bytes_per_sec} {eta} left {wide_msg}";
const STAGES: &str = "{spinner} {prefix:.bold} [{bar:24}] {pos}/{len} {elapsed} {wide_msg}";
const RESUMED: &str = "{spinner} {prefix:.bold} {elapsed} {wide_msg}";

/// Shows one display at the bottom of the terminal, a line for each source and pipeline at work; above it one line for each that is
/// done. What stages print is not shown. The reason of a failure, with the end of the stage's log, is told by
/// [`crate::failure_text`], once, at the end, so that nothing can scroll it away.
pub struct ProgressMonitor {
    display: MultiProgress,
    colour: Colour,
    /// By name; sources are called `source MODULE`, which no pipeline's key (`pipeline NAME`) equals.
    bars: Mutex<HashMap<String, ProgressBar>>,
}

impl ProgressMonitor {
    /// A display on the standard error; it shows nothing when that is no terminal.
    pub fn stderr(colour: Colour) -> Self {
        ProgressMonitor::new(ProgressDrawTarget::stderr(), colour)
    }

    pub(crate) fn new(target: ProgressDrawTarget, colour: Colour) -> Self {
        ProgressMonitor {
            display: MultiProgress::with_draw_target(target),
            colour,
            bars: Mutex::default(),
        }
    }

    fn bars(&self) -> MutexGuard<'_, HashMap<String, ProgressBar>> {
        self.bars.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, name: String, template: &str, length: Option<u64>) {
        let bar = match length {
            Some(length) => ProgressBar::new(length),
            None => ProgressBar::no_length(),
        };
        let bar = self.display.add(bar);
        bar.set_style(self.style(template));
        // Short, so that a line with all its figures fits into 80 columns.
        bar.set_prefix(printable_line(&name.replace("org.osbuild.", "")).into_owned());
        bar.enable_steady_tick(TICK);
        self.bars().insert(name, bar);
    }

    /// The templates are constants, so that one which does not parse would be seen by every test.
    fn style(&self, template: &str) -> ProgressStyle {
        let template = match self.colour {
            Colour::Always => template.to_owned(),
            Colour::Never => template.replace(":.bold", ""),
        };
        ProgressStyle::with_template(&template)
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("=> ")
    }

    fn with(&self, name: &str, change: impl FnOnce(&ProgressBar)) {
        if let Some(bar) = self.bars().get(name) {
            change(bar);
        }
    }

    fn end(&self, name: &str) {
        if let Some(bar) = self.bars().remove(name) {
            bar.finish_and_clear();
            self.display.remove(&bar);
        }
    }

    fn source_progress(&self, name: &str, items: (u64, u64), bytes: (u64, Option<u64>)) {
        self.with(name, |bar| {
            if bytes.1.is_some() && bar.length() != bytes.1 {
                bar.set_style(self.style(KNOWN_SIZE));
                bar.set_length(bytes.1.unwrap_or_default());
            }
            bar.set_position(bytes.0);
            bar.set_message(format!("{}/{} items", items.0, items.1));
        });
    }
}

impl fmt::Debug for ProgressMonitor {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("ProgressMonitor").finish_non_exhaustive()
    }
}

impl Observer for ProgressMonitor {
    fn event(&self, event: &Event) {
        match event {
            Event::SourceStarted { module, .. } => {
                self.begin(format!("source {module}"), UNKNOWN_SIZE, None);
            }
            Event::SourceProgress {
                module,
                items_done,
                items_total,
                bytes_done,
                bytes_total,
            } => self.source_progress(
                &format!("source {module}"),
                (*items_done, *items_total),
                (*bytes_done, *bytes_total),
            ),
            Event::SourceFinished(source) => self.end(&format!("source {}", source.module)),
            Event::PipelineStarted {
                name,
                stages,
                resumed,
                ..
            } => {
                // How many of its stages a resumed pipeline still has to run is not known here.
                let template = if resumed.is_some() { RESUMED } else { STAGES };
                self.begin(format!("pipeline {name}"), template, Some(*stages as u64));
            }
            Event::StageStarted {
                pipeline, module, ..
            } => self.with(&format!("pipeline {pipeline}"), |bar| {
                bar.set_message(printable_line(module).into_owned())
            }),
            Event::StageFinished(stage) => {
                self.with(&format!("pipeline {}", stage.pipeline), |bar| bar.inc(1));
            }
            Event::PipelineFinished { name, .. } => self.end(&format!("pipeline {name}")),
            Event::RunFinished { .. } => {
                self.bars()
                    .drain()
                    .for_each(|(_, bar)| bar.finish_and_clear());
            }
            _ => (),
        }
        if let Some(line) = milestone(event, self.colour) {
            // Errors of the terminal must not end a build.
            let _ = self.display.println(self.colour.printable(&line));
        }
    }
}
