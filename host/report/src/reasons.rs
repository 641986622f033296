//! Why a source failed.

use osbuild_wasm_events::{SourceItem, SourceOutcome};

/// The error of its first failed item, else all it said.
pub(crate) fn first(source: &SourceOutcome) -> &str {
    let mut errors = source.items.iter().filter_map(error);
    errors.next().unwrap_or(&source.output)
}

/// The errors of its failed items, each with the item it is about.
pub(crate) fn all(source: &SourceOutcome) -> Vec<String> {
    let reason = |item: &SourceItem| {
        let error = error(item)?;
        Some(match &item.checksum {
            // Errors of items mostly name the item themselves.
            Some(checksum) if !error.contains(checksum.as_str()) => format!("{checksum}: {error}"),
            _ => error.to_owned(),
        })
    };
    source.items.iter().filter_map(reason).collect()
}

/// The error of an item; an empty one is none.
pub(crate) fn error(item: &SourceItem) -> Option<&str> {
    item.error.as_deref().filter(|error| !error.is_empty())
}
