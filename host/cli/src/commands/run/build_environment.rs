//! Options of the earliest osbuild, whose manifests are still around.
use crate::command_error::Result;
use crate::document::{self, Document};
use osbuild_wasm_manifest::json::Value;
use std::path::Path;

/// Puts the build environment of a file (an object with `pipeline` and `runner`) into a document that has none of its own.
pub(crate) fn with_build_environment(mut document: Document, file: &Path) -> Result<Document> {
    let build = document::read(file)?.value;
    let Value::Object(top) = &mut document.value else {
        return Ok(document);
    };
    match top.get_mut("pipeline") {
        Some(Value::Object(pipeline)) => _ = pipeline.entry("build".into()).or_insert(build),
        _ => _ = top.entry("build".into()).or_insert(build),
    }
    Ok(document)
}
