//! `org.osbuild.curl`: files by URL.

use crate::checksum::{Checksum, FILES};
use crate::download::places::Places;
use crate::download::{self, Engine, Job, Limits, Security, address};
use crate::inline::chain;
use crate::items::{Progress, entries};
use crate::secrets::Providers;
use crate::{FetchContext, Item};
use osbuild_wasm_manifest::json::Value;
use osbuild_wasm_manifest::model::Source;
use std::cell::RefCell;

pub(crate) fn fetch(source: &Source, context: &FetchContext<'_>) -> Vec<Item> {
    fetch_within(source, context, &Limits::default())
}

pub(crate) fn fetch_within(
    source: &Source,
    context: &FetchContext<'_>,
    limits: &Limits,
) -> Vec<Item> {
    let providers = Providers::new(context);
    let (mut items, mut jobs) = (Vec::new(), Vec::new());
    for (index, (key, value)) in entries(source).enumerate() {
        // Until it is done, an item is one that somebody interrupted.
        let mut result = Err(format!("downloading {key} was interrupted"));
        match prepare(index, &key, value, context, &providers, limits) {
            Ok(Some(job)) => jobs.push(job),
            Ok(None) => result = Ok(true),
            Err(error) => result = Err(error),
        }
        items.push(Item { key, result });
    }
    let progress = Progress::new(context, &source.module, items.len());
    progress.add((items.len() - jobs.len()) as u64, 0);
    if jobs.is_empty() {
        return items;
    }
    let waiting: Vec<usize> = jobs.iter().map(|job| job.index).collect();
    let items = RefCell::new(items);
    let engine = Engine::new(&source.module, context, limits);
    download::run(engine, &waiting, &items, async |engine| {
        engine.download_all(jobs, &progress, &items).await;
    });
    items.into_inner()
}

/// What is to be done for an item; `None` if it is there.
fn prepare(
    index: usize,
    key: &str,
    value: &Value,
    context: &FetchContext<'_>,
    providers: &Providers<'_>,
    limits: &Limits,
) -> Result<Option<Job>, String> {
    let checksum = Checksum::parse(key)?;
    let there = context.store.has_source(FILES, key);
    if there.map_err(|error| format!("cannot look for {key}: {}", chain(&error)))? {
        return Ok(None);
    }
    let wrong = |problem: String| format!("cannot download {key}: {problem}");
    let text = value.as_str().or_else(|| value.get("url")?.as_str());
    let text = text.ok_or_else(|| wrong("it has no \"url\"".to_owned()))?;
    let url = address::parse(text).map_err(wrong)?;
    let insecure = value.get("insecure").and_then(Value::as_bool) == Some(true);
    let certificate = providers.certificate(value, text).map_err(|problem| {
        format!(
            "cannot download {key} from {}: {problem}",
            address::shown(&url)
        )
    })?;
    Ok(Some(Job {
        index,
        checksum,
        share: address::host(&url),
        parallel: limits.per_host,
        places: Places::One(url),
        security: Security {
            insecure,
            certificate,
        },
    }))
}
