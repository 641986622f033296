//! How a stage ended, and what may help.
use crate::failure::{BuildError, Result};
use osbuild_wasm_component::{Outcome, Stopped};
use osbuild_wasm_events::{StageError, StageOutcome};
use osbuild_wasm_store::Store;

/// Less than this is left on a file system that is full for our purposes.
const SPARE: u64 = 1 << 20;

/// Tools name a full disk in many ways, or not at all.
fn is_full(store: &Store) -> bool {
    rustix::fs::statvfs(store.path()).is_ok_and(|space| {
        space.f_bavail.saturating_mul(space.f_frsize) < SPARE
            || (space.f_files > 0 && space.f_favail == 0)
    })
}

/// What may help a stage that failed: space, and `advice`.
pub(super) fn add_hints(outcome: &mut StageOutcome, store: &Store, advice: Option<String>) {
    if is_full(store) {
        let store = store.path().display();
        add_hint(
            outcome,
            &format!(
                "the file system of the store {store} is full: free some space, or use another --store"
            ),
        );
    }
    if let Some(advice) = advice {
        add_hint(outcome, &advice);
    }
}

fn add_hint(outcome: &mut StageOutcome, hint: &str) {
    let message = format!("{} failed", outcome.module);
    let error = outcome.error.get_or_insert_with(|| StageError {
        kind: "no-space".into(),
        message,
        details: None,
    });
    let details = error.details.get_or_insert_default();
    if !details.is_empty() && !details.ends_with('\n') {
        details.push('\n');
    }
    details.push_str("hint: ");
    details.push_str(hint);
}

/// The outcome of a stage that ended like this.
pub(super) fn of(ended: Result<Outcome>, mut outcome: StageOutcome) -> StageOutcome {
    match ended {
        Ok(ended) => {
            outcome.success = ended.success();
            outcome.error = error_of(&ended);
            outcome.metadata = ended
                .metadata
                .and_then(|text| serde_json::from_str(&text).ok())
                .map(|json: serde_json::Value| json.into());
        }
        Err(error) => {
            let kind = if matches!(error, BuildError::Interrupted) {
                "interrupted"
            } else {
                "host"
            };
            outcome.error = Some(StageError {
                kind: kind.into(),
                message: error.to_string(),
                details: None,
            });
        }
    }
    outcome
}

fn error_of(ended: &Outcome) -> Option<StageError> {
    if let Some(stopped) = &ended.stopped {
        let kind = match stopped {
            Stopped::Time(_) => "timeout",
            Stopped::Cancelled => "interrupted",
            Stopped::Output(_) | Stopped::Memory(_) | Stopped::Written(..) => "limit",
            Stopped::Trap(_) => "trap",
        };
        return Some(StageError {
            kind: kind.into(),
            message: stopped.to_string(),
            details: None,
        });
    }
    let (kind, message, details) = ended.failure.clone().filter(|_| !ended.success())?;
    Some(StageError {
        kind,
        message,
        details: Some(details).filter(|details| !details.is_empty()),
    })
}
