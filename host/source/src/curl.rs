//! `org.osbuild.curl`: files by URL.

use crate::checksum::Checksum;
use crate::download::places::Places;
use crate::download::{self, Engine, Identity, Job, Limits, Security};
use crate::items::{Progress, entries};
use crate::secrets::Providers;
use crate::stored::has_file;
use crate::{FetchContext, Item};
use osbuild_wasm_manifest::json::Value;
use osbuild_wasm_manifest::model::Source;
use osbuild_wasm_manifest::origin;
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
    if has_file(context.store, &checksum)? {
        return Ok(None);
    }
    let wrong = |problem: String| format!("cannot download {key}: {problem}");
    let location = origin::url(value).map_err(wrong)?;
    let insecure = value.get("insecure").and_then(Value::as_bool) == Some(true);
    let certificate = providers.certificate(value, &location);
    let certificate = certificate.map_err(|problem| {
        let shown = location.shown();
        format!("cannot download {key} from {shown}: {problem}")
    })?;
    Ok(Some(Job {
        index,
        checksum,
        share: location.origin(),
        parallel: limits.per_host,
        security: Security {
            insecure,
            identity: certificate.map(|files| Identity::new(files, &location)),
            ..Security::default()
        },
        places: Places::One(location),
    }))
}
