//! The items of a source: reading them, and telling how each of them went.

use crate::FetchContext;
use osbuild_wasm_events::{Event, SourceItem};
use osbuild_wasm_manifest::json::Value;
use osbuild_wasm_manifest::model::Source;
use std::cell::Cell;
use std::time::{Duration, Instant};

/// How many failed items are named in the text of a failed source; a manifest may have thousands.
const FAILURES_SHOWN: usize = 10;

/// A display gains nothing from being told more often.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// How one item went.
#[derive(Debug, Clone)]
pub struct Item {
    /// Its key, as the manifest has it.
    pub key: String,
    /// True if it was in the store before, false if it was fetched now; else one line that says what failed, where,
    /// and what to do.
    pub result: Result<bool, String>,
}

/// The keys and descriptions of a source, in the order of the manifest.
pub(crate) fn entries(source: &Source) -> impl Iterator<Item = (String, &Value)> {
    let entries = source.items.as_object().into_iter().flatten();
    entries.map(|(key, value)| (key.to_string_lossy().into_owned(), value))
}

/// What a source reports: cached items first, else in the order given, and the text of its failures.
pub(crate) fn report(mut items: Vec<Item>) -> (Vec<SourceItem>, String) {
    items.sort_by_key(|item| item.result != Ok(true));
    let failures: Vec<&str> = items
        .iter()
        .filter_map(|item| item.result.as_ref().err())
        .map(String::as_str)
        .collect();
    let mut output = failures
        .iter()
        .take(FAILURES_SHOWN)
        .copied()
        .collect::<Vec<_>>()
        .join("\n");
    if failures.len() > FAILURES_SHOWN {
        output.push_str(&format!(
            "\nand {} more items failed",
            failures.len() - FAILURES_SHOWN
        ));
    }
    let items = items.into_iter().map(|item| SourceItem {
        checksum: Some(item.key),
        cached: Some(item.result == Ok(true)),
        error: item.result.err(),
    });
    (items.collect(), output)
}

/// Counts items and bytes and tells the observer, not too often.
pub(crate) struct Progress<'a> {
    context: &'a FetchContext<'a>,
    module: &'a str,
    items_total: u64,
    items_done: Cell<u64>,
    bytes_done: Cell<u64>,
    told: Cell<Option<Instant>>,
}

impl<'a> Progress<'a> {
    pub(crate) fn new(context: &'a FetchContext<'a>, module: &'a str, items_total: usize) -> Self {
        let (items_done, bytes_done, told) = Default::default();
        Self {
            context,
            module,
            items_total: items_total as u64,
            items_done,
            bytes_done,
            told,
        }
    }

    /// Adds to both counts.
    pub(crate) fn add(&self, items: u64, bytes: u64) {
        self.items_done.set(self.items_done.get() + items);
        self.bytes_done.set(self.bytes_done.get() + bytes);
        let finished = self.items_done.get() == self.items_total && items > 0;
        let recent = self
            .told
            .get()
            .is_some_and(|told| told.elapsed() < PROGRESS_INTERVAL);
        if finished || !recent {
            self.told.set(Some(Instant::now()));
            self.tell();
        }
    }

    fn tell(&self) {
        self.context.observer.event(&Event::SourceProgress {
            module: self.module.to_owned(),
            items_done: self.items_done.get(),
            items_total: self.items_total,
            bytes_done: self.bytes_done.get(),
            bytes_total: None, // A manifest does not say how large its items are.
        });
    }
}
