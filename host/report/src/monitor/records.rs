//! What the records of the JSON sequence hold.

use crate::members::Members;
use crate::reasons;
use crate::result::stage_error;
use crate::text::last_chars;
use osbuild_wasm_events::{SourceItem, SourceOutcome, StageOutcome};
use osbuild_wasm_manifest::json::{Object, Value, to_python};

/// How many characters of a stage's output, or of a source's results, a record holds at most.
const MAX_TEXT: usize = 31_000;

/// The `result` of a stage, with the end of its output.
pub(super) fn stage_result(stage: &StageOutcome) -> Value {
    let (output, hidden) = last_chars(&stage.output, MAX_TEXT);
    let output = match hidden {
        0 => output.to_owned(),
        _ => format!("[...{hidden} bytes hidden...]\n{output}"),
    };
    Members::default()
        .with("name", stage.module.as_str())
        .with("id", stage.id.as_str())
        .with("success", stage.success)
        .with("output", output)
        .with("error", stage.error.as_ref().map(stage_error))
        .into()
}

/// The `result` of a source; what it says about its items is left out when that is long.
pub(super) fn source_result(source: &SourceOutcome) -> Value {
    let output = match source.success {
        true => format!("source {} finished successfully", source.module),
        false => reasons::first(source).to_owned(),
    };
    let result = |items: &[SourceItem]| -> Value {
        let results: Vec<Value> = items.iter().map(item_result).collect();
        Members::default()
            .with("name", format!("source {}", source.module))
            .with("source_type", source.module.as_str())
            .with("success", source.success)
            .with("output", output.as_str())
            .with("results", results)
            .into()
    };
    let full = result(&source.items);
    if to_python(&full).chars().count() > MAX_TEXT {
        return result(&[]);
    }
    full
}

fn item_result(item: &SourceItem) -> Value {
    let error = reasons::error(item).unwrap_or_default();
    let metadata = Members::default()
        .with_some("checksum", item.checksum.as_deref())
        .with_some("cached", item.cached);
    Members::default()
        .with("success", error.is_empty())
        .with("metadata", metadata)
        .with("error", error)
        .into()
}

/// Drops members that are null or `""`, through objects but not through arrays, as osbuild does.
pub(super) fn without_empty(value: Value) -> Value {
    let is_empty =
        |value: &Value| value.is_null() || value.as_text().is_some_and(|text| text.is_empty());
    match value {
        Value::Object(members) => {
            let kept = members.into_iter().filter(|(_, value)| !is_empty(value));
            let kept: Object = kept
                .map(|(key, value)| (key, without_empty(value)))
                .collect();
            kept.into()
        }
        other => other,
    }
}
