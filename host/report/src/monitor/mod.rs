//! Monitors: observers that tell what goes on while a run goes on.

mod contexts;
mod in_order;
mod json_seq;
mod lines;
mod log;
mod out;
mod plain;
mod progress;
mod records;

pub use in_order::InOrder;
pub use json_seq::JsonSeqMonitor;
pub use log::LogMonitor;
pub use plain::PlainMonitor;
pub use progress::ProgressMonitor;

use crate::style::Colour;
use osbuild_wasm_events::{Event, Observer};
use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::{env, fmt};

/// The monitor for a person who waits: a display on the standard error when that is a terminal, else plain lines there.
///
/// A terminal that cannot move its cursor (`TERM=dumb`) gets lines too.
pub fn for_people() -> Arc<dyn Observer> {
    let stderr = io::stderr();
    let colour = Colour::of(&stderr);
    let is_dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
    if stderr.is_terminal() && !is_dumb {
        Arc::new(ProgressMonitor::stderr(colour))
    } else {
        Arc::new(PlainMonitor::new(stderr, colour))
    }
}

/// Tells nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NullMonitor;

impl Observer for NullMonitor {
    fn event(&self, _: &Event) {}
}

/// Passes each event on to several observers, in order.
#[derive(Clone, Default)]
pub struct Fanout(pub Vec<Arc<dyn Observer>>);

impl Observer for Fanout {
    fn event(&self, event: &Event) {
        self.0.iter().for_each(|observer| observer.event(event));
    }
}

impl fmt::Debug for Fanout {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Fanout({} observers)", self.0.len())
    }
}

/// Each line of what the host side says, with who says it before it.
fn host_lines(origin: &str, text: &str) -> String {
    text.lines()
        .map(|line| format!("{origin}: {line}\n"))
        .collect()
}

/// Who speaks when a source does.
fn source_origin(module: &str) -> String {
    format!("source/{module} ({module})")
}
