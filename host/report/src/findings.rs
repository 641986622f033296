//! What statements about a run are made from, gathered while it goes on.

use jiff::Timestamp;
use osbuild_wasm_events::{Event, ExportDigest, Inventory, Observer};
use std::sync::{Mutex, PoisonError};

/// Digests and inventories of one run, and when it took place.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// When the run began.
    pub started: Timestamp,
    /// When it ended; at the latest now.
    pub finished: Timestamp,
    /// Each export, in the order of the request.
    pub exports: Vec<ExportDigest>,
    /// Each tree that exports are made of.
    pub inventories: Vec<Inventory>,
}

/// Gathers [`Findings`].
#[derive(Debug, Default)]
pub struct Collector(Mutex<Findings>);

impl Collector {
    /// What was found until now.
    pub fn findings(&self) -> Findings {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Observer for Collector {
    fn event(&self, event: &Event) {
        let mut findings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::RunStarted { .. } => findings.started = Timestamp::now(),
            Event::Digested(export) => findings.exports.push(export.clone()),
            Event::Installed(inventory) => findings.inventories.push(inventory.clone()),
            Event::RunFinished { .. } => findings.finished = Timestamp::now(),
            _ => (),
        }
    }
}
