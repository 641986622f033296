//! The document that a stage reads on standard input.
use crate::sandbox::{DEVICES, INPUTS, MOUNTS, Sandbox, TREE};
use osbuild_wasm_manifest::json::{Value, to_plain};
use serde_json::json;

/// The arguments document: everything of the sandbox, the options exactly as the manifest has them.
pub(crate) fn document(
    sandbox: &Sandbox,
    options: &Value,
    id: &str,
    source_epoch: Option<i64>,
) -> String {
    let mut meta = json!({ "id": id });
    if let Some(epoch) = source_epoch {
        meta["source-epoch"] = epoch.into();
    }
    let rest = json!({
        "tree": TREE,
        "paths": { "devices": DEVICES, "inputs": INPUTS, "mounts": MOUNTS },
        "devices": sandbox.device_replies,
        "inputs": sandbox.inputs,
        "mounts": sandbox.mounts,
        "meta": meta,
    });
    // The options go in as text: they may hold numbers and strings that only osbuild's dialect of JSON has.
    let rest = rest.to_string();
    let rest = rest.strip_suffix('}').unwrap_or(&rest);
    format!("{rest},\"options\":{}}}", to_plain(options))
}
