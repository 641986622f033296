//! Any bytes are refused as a document or load as a manifest; nothing panics, and what loads can be described.
#![no_main]

use libfuzzer_sys::fuzz_target;
use osbuild_wasm_manifest::catalogue::Catalogue;
use osbuild_wasm_manifest::inspect::inspect;
use osbuild_wasm_manifest::json::{parse, span, to_python};
use osbuild_wasm_manifest::load::{LoadOptions, load};
use osbuild_wasm_manifest::problem::{validation_json, validation_text};
use osbuild_wasm_manifest::runner::host_runner;
use osbuild_wasm_manifest::validate::validate;
use std::sync::LazyLock;

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(Catalogue::builtin);

fuzz_target!(|bytes: &[u8]| {
    let Ok(document) = parse(bytes) else {
        return;
    };
    let errors = validate(&document, &CATALOGUE);
    for error in &errors {
        assert!(span(bytes, &error.path).is_some(), "no place for {error}");
    }
    let written = parse(validation_json(&errors).as_bytes());
    assert!(written.is_ok() && !validation_text("-", &errors).is_empty());
    // What the schemas refuse must not panic either.
    if let Ok(manifest) = load(&document, &LoadOptions { host_runner: host_runner("") }) {
        let described = to_python(&inspect(&manifest));
        assert!(parse(described.as_bytes()).is_ok(), "{described}");
    }
});
