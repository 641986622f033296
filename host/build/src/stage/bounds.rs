//! What bounds a stage as a whole: its component, and the programs that run for it.
use crate::interrupt::Cancellations;
use crate::run::Settings;
use osbuild_wasm_capability::Limits;
use osbuild_wasm_capability::policy::Decision;
use osbuild_wasm_component::{Outcome, StageQuota};
use std::sync::Arc;
use std::thread::JoinHandle;

/// The limits of one stage, and what ends its programs.
#[derive(Clone)]
pub(crate) struct Bounds {
    pub(crate) quota: Arc<StageQuota>,
    pub(crate) cancellations: Cancellations,
}

impl Bounds {
    /// The limits of a decision, and the time that every stage has.
    pub(crate) fn new(decision: &Decision, settings: &Settings) -> Self {
        let mut limits = Limits::from(decision.limits);
        limits.time = limits.time.into_iter().chain(settings.stage_timeout).min();
        Self::of(limits)
    }

    pub(crate) fn of(limits: Limits) -> Self {
        Self {
            quota: Arc::new(StageQuota::new(limits)),
            cancellations: Cancellations::default(),
        }
    }

    /// The outcome once the log is complete: the end of it may be what was too much.
    pub(crate) fn heed(&self, mut ended: Outcome, pump: JoinHandle<()>) -> Outcome {
        // A component that was abandoned still holds its end of the pipe. Otherwise the helpers hold the other ends of it until their
        // sessions are gone.
        if !ended.abandoned {
            _ = pump.join();
            ended.stop(self.quota.stopped());
        }
        ended
    }
}
