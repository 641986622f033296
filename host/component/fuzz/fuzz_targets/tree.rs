//! Calls of the tree interface: against their model, and against what rights must prevent.
#![no_main]
use libfuzzer_sys::fuzz_target;
use osbuild_wasm_component::tree::model;

fuzz_target!(|bytes: &[u8]| {
    let scratch = || tempfile::tempdir().expect("a directory");
    model::against_model(scratch().path(), bytes);
    let (one, other) = bytes.split_at(bytes.len() / 2);
    model::against_rights(scratch().path(), &[one, other]);
});
