//! Progress where there is no terminal.

use super::lines::{milestone, run_line, stage_line};
use super::out::Out;
use crate::style::Colour;
use osbuild_wasm_events::{Event, Observer};
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

/// Writes one line per thing that is done; what stages print is not shown. The reason of a failure is told by
/// [`crate::failure_text`], once, at the end.
#[derive(Debug)]
pub struct PlainMonitor {
    out: Mutex<Out>,
    colour: Colour,
}

impl PlainMonitor {
    /// Lines to a writer.
    pub fn new(writer: impl Write + Send + 'static, colour: Colour) -> Self {
        PlainMonitor {
            out: Mutex::new(Out::new(writer, colour)),
            colour,
        }
    }

    /// The first error of the writer, once.
    pub fn take_error(&self) -> Option<io::Error> {
        self.out
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take_error()
    }
}

impl Observer for PlainMonitor {
    fn event(&self, event: &Event) {
        let line = match event {
            Event::StageFinished(stage) => Some(stage_line(stage, self.colour)),
            _ => milestone(event, self.colour).or_else(|| run_line(event, self.colour)),
        };
        if let Some(line) = line {
            let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
            out.write(&format!("{line}\n"));
        }
    }
}
