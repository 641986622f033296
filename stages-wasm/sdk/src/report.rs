//! What a stage says beside its log.
use crate::Result;
use crate::bindings::osbuild::stage::report;

/// Publishes the stage's metadata, which appears in the result document; a second call replaces the first.
pub fn metadata(value: &serde_json::Value) -> Result<()> {
    Ok(report::metadata(&value.to_string())?)
}

/// Says why the stage is about to fail; [`crate::run`] does so for every error. `kind` is a short machine word.
pub fn failure(kind: &str, message: &str, details: &str) {
    report::failure(kind, message, details);
}
