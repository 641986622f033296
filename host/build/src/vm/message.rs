//! What the inner side of a virtual machine says: lines of JSON.
use osbuild_wasm_capability::record::{AccessRecord, StageRecord};
use osbuild_wasm_events::{StageError, StageOutcome};
use osbuild_wasm_protocol::TrustedValue;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// One line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Message {
    /// Still there; also the first thing that is said.
    Alive,
    /// A stage begins, by its id.
    Started(String),
    /// A stage says something.
    Log { id: String, text: String },
    /// The host side of an input, device or mount says something.
    HostLog { origin: String, text: String },
    /// What a stage did, before it is told how it ended; what it tried without effect is no part of the document.
    Record {
        stage: Box<StageRecord>,
        tried: Vec<AccessRecord>,
    },
    /// A stage is done or has failed.
    Finished(Finished),
    /// The tree after a stage is outside.
    Tree(LeftTree),
    /// There is no more to do.
    Done,
    /// Something beside a stage went wrong.
    Failed(String),
}

/// A tree that has been packed.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct LeftTree {
    /// Place of its last stage in the pipeline.
    pub(super) position: usize,
    /// What it has in `trusted.*`, which whoever packed it does not see.
    pub(super) trusted: Vec<TrustedValue>,
}

/// How a stage ended; the outer side knows its pipeline and module.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Finished {
    id: String,
    success: bool,
    output: String,
    error: Option<(String, String, Option<String>)>,
    metadata: Option<serde_json::Value>,
    duration: Duration,
}

impl From<&StageOutcome> for Finished {
    fn from(outcome: &StageOutcome) -> Self {
        let error = outcome.error.clone();
        Self {
            id: outcome.id.clone(),
            success: outcome.success,
            output: outcome.output.clone(),
            error: error.map(|error| (error.kind, error.message, error.details)),
            metadata: outcome.metadata.as_ref().map(Into::into),
            duration: outcome.duration,
        }
    }
}

impl Finished {
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn success(&self) -> bool {
        self.success
    }

    pub(super) fn outcome(self, pipeline: &str, module: &str) -> StageOutcome {
        let error = self.error.map(|(kind, message, details)| StageError {
            kind,
            message,
            details,
        });
        StageOutcome {
            pipeline: pipeline.to_owned(),
            module: module.to_owned(),
            id: self.id,
            success: self.success,
            output: self.output,
            error,
            metadata: self.metadata.map(Into::into),
            duration: self.duration,
        }
    }
}
