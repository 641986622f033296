//! `org.osbuild.curl`: files by URL, over HTTP, HTTPS or from the file system.
//!
//! Transfers run in parallel on one thread. What was received is kept over failed attempts and continued from there;
//! failures that a repetition may cure are repeated, with growing pauses, others are not.

mod address;
mod client;
mod failure;
mod queue;
mod transfer;

use crate::checksum::{Checksum, FILES};
use crate::inline::chain;
use crate::items::{Progress, entries};
use crate::secrets::{ClientCertificate, Subscriptions, mtls};
use crate::{FetchContext, Item};
use client::{Clients, Security};
use futures_util::future::join_all;
use osbuild_wasm_manifest::json::Value;
use osbuild_wasm_manifest::model::Source;
use osbuild_wasm_store::Scratch;
use queue::Queue;
use reqwest::Url;
use std::cell::{OnceCell, RefCell};
use std::time::Duration;
use transfer::Transfer;

/// How patient, and how greedy, downloading is.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// Transfers at a time.
    pub(crate) parallel: usize,
    /// Transfers at a time from one host; more make a mirror slower rather than faster.
    pub(crate) per_host: usize,
    /// Until a connection stands.
    pub(crate) connect: Duration,
    /// Over this time a transfer must move `bytes_per_second` on average; the figures are osbuild's.
    pub(crate) low_speed_time: Duration,
    pub(crate) bytes_per_second: u64,
    /// Attempts that may fail in a row without a byte more than before.
    pub(crate) attempts: u32,
    /// Pause before the second attempt; it doubles from one to the next, up to `longest_pause`.
    pub(crate) pause: Duration,
    pub(crate) longest_pause: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            parallel: 16,
            per_host: 8,
            connect: Duration::from_secs(30),
            low_speed_time: Duration::from_secs(30),
            bytes_per_second: 1000,
            attempts: 6,
            pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(10),
        }
    }
}

/// How often the request to stop is looked for.
const CANCEL_INTERVAL: Duration = Duration::from_millis(20);

pub(crate) fn fetch(source: &Source, context: &FetchContext<'_>) -> Vec<Item> {
    fetch_within(source, context, &Limits::default())
}

/// One file that is to be downloaded.
struct Job {
    /// Its place among the items.
    index: usize,
    checksum: Checksum,
    url: Url,
    security: Security,
}

pub(crate) fn fetch_within(
    source: &Source,
    context: &FetchContext<'_>,
    limits: &Limits,
) -> Vec<Item> {
    let subscriptions = OnceCell::new();
    let mut items = Vec::new();
    let mut jobs = Vec::new();
    for (index, (key, value)) in entries(source).enumerate() {
        // Until it is done, an item is one that somebody interrupted.
        let mut result = Err(format!("downloading {key} was interrupted"));
        match prepare(index, &key, value, context, &subscriptions) {
            Ok(Some(job)) => jobs.push((address::host(&job.url), job)),
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
    let waiting: Vec<usize> = jobs.iter().map(|(_, job)| job.index).collect();
    let items = RefCell::new(items);
    if let Err(error) = download_all(jobs, context, limits, &progress, &items) {
        for index in waiting {
            items.borrow_mut()[index].result = Err(error.clone());
        }
    }
    items.into_inner()
}

/// What is to be done for an item; `None` if it is there.
fn prepare(
    index: usize,
    key: &str,
    value: &Value,
    context: &FetchContext<'_>,
    subscriptions: &OnceCell<Result<Subscriptions, String>>,
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
    let insecure = value
        .get("insecure")
        .and_then(Value::as_bool)
        .unwrap_or(false);
    let secrets = value
        .get("secrets")
        .and_then(|secrets| secrets.get("name")?.as_str());
    let certificate = certificate(secrets, text, context, subscriptions).map_err(|problem| {
        format!(
            "cannot download {key} from {}: {problem}",
            address::shown(&url)
        )
    })?;
    Ok(Some(Job {
        index,
        checksum,
        url,
        security: Security {
            insecure,
            certificate,
        },
    }))
}

fn certificate(
    secrets: Option<&str>,
    url: &str,
    context: &FetchContext<'_>,
    subscriptions: &OnceCell<Result<Subscriptions, String>>,
) -> Result<Option<ClientCertificate>, String> {
    match secrets {
        Some("org.osbuild.mtls") => mtls(context.environment, "OSBUILD_SOURCES_CURL").map(Some),
        Some("org.osbuild.rhsm") => {
            let found = subscriptions.get_or_init(|| Subscriptions::of_host(context.host_root));
            found
                .as_ref()
                .map_err(String::clone)?
                .certificate(url)
                .cloned()
                .map(Some)
        }
        // Others are for other kinds of sources; osbuild passes over them as well.
        _ => Ok(None),
    }
}

/// Runs all downloads, each of which writes how it went to its item; an error concerns all of them.
fn download_all(
    jobs: Vec<(String, Job)>,
    context: &FetchContext<'_>,
    limits: &Limits,
    progress: &Progress<'_>,
    items: &RefCell<Vec<Item>>,
) -> Result<(), String> {
    let scratch = context
        .store
        .scratch("download")
        .map_err(|error| chain(&error))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| format!("cannot start downloading: {error}"))?;
    let workers = limits.parallel.min(jobs.len());
    let shared = Shared {
        clients: Clients::new(context.environment, limits.connect),
        queue: Queue::new(jobs, limits.per_host),
        context,
        limits,
        progress,
        scratch,
    };
    runtime.block_on(async {
        tokio::select! {
            _ = join_all((0..workers).map(|_| shared.work(items))) => {}
            () = cancelled(context) => {}
        }
    });
    drop(shared);
    // Name look-ups cannot be interrupted; nobody waits for them.
    runtime.shutdown_background();
    Ok(())
}

async fn cancelled(context: &FetchContext<'_>) {
    while !context.is_cancelled() {
        tokio::time::sleep(CANCEL_INTERVAL).await;
    }
}

/// What the workers have in common.
struct Shared<'a> {
    clients: Clients<'a>,
    queue: Queue<Job>,
    context: &'a FetchContext<'a>,
    limits: &'a Limits,
    progress: &'a Progress<'a>,
    scratch: Scratch,
}

impl Shared<'_> {
    async fn work(&self, items: &RefCell<Vec<Item>>) {
        while let Some((host, job)) = self.queue.next() {
            let result = self.download(&job).await;
            self.queue.done(host);
            let place = || {
                format!(
                    "cannot download {} from {}",
                    job.checksum,
                    address::shown(&job.url)
                )
            };
            items.borrow_mut()[job.index].result = result
                .map(|()| false)
                .map_err(|problem| format!("{}: {problem}", place()));
            self.progress.add(1, 0);
        }
    }

    async fn download(&self, job: &Job) -> Result<(), String> {
        let path = self.scratch.path().join(job.checksum.to_string());
        let client = self.clients.get(&job.security)?;
        let transfer = Transfer::new(client, &job.url, &job.checksum, &path, self.limits)?;
        let log = |text| self.context.log("org.osbuild.curl", text);
        let file = transfer
            .run(&|bytes| self.progress.add(0, bytes), &log)
            .await?;
        // Others go on while this file goes to the disk; the store then finds it written.
        let written = tokio::task::spawn_blocking(move || file.sync_all()).await;
        written
            .map_err(std::io::Error::other)
            .flatten()
            .map_err(|error| format!("cannot write it to the disk: {error}"))?;
        self.context
            .store
            .put_source(FILES, &job.checksum.to_string(), &path)
            .map_err(|error| chain(&error))
    }
}
