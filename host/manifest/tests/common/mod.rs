//! Short-hands of the tests.
#![allow(dead_code, reason = "each test file uses some of them")]

use osbuild_wasm_manifest::json::{self, Value};
use osbuild_wasm_manifest::load::{LoadError, LoadOptions, load};
use osbuild_wasm_manifest::model::Manifest;
use osbuild_wasm_manifest::runner::host_runner;

/// Parses a document.
pub fn parse(text: &str) -> Value {
    json::parse(text.as_bytes()).expect(text)
}

/// Loads a document on a Debian host.
pub fn try_load(text: &str) -> Result<Manifest, LoadError> {
    load(
        &parse(text),
        &LoadOptions {
            host_runner: host_runner("ID=debian\nVERSION_ID=\"12\"\n"),
        },
    )
}

/// Loads a document that has no mistakes.
pub fn loaded(text: &str) -> Manifest {
    match try_load(text) {
        Ok(manifest) => manifest,
        Err(error) => panic!("{error}: {text}"),
    }
}

/// A v2 document with one pipeline `t` of one stage.
pub fn one_stage(stage: &str) -> String {
    format!(r#"{{"version": "2", "pipelines": [{{"name": "t", "stages": [{stage}]}}]}}"#)
}

/// The id of the last stage of the last pipeline.
pub fn last_id(manifest: &Manifest) -> String {
    manifest
        .pipelines
        .last()
        .and_then(|pipeline| pipeline.id.clone())
        .expect("a stage")
}
