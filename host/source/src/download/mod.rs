//! Downloading files of known checksums, over HTTP, HTTPS or from the file system.
//!
//! Transfers run in parallel on one thread. What was received is kept over failed attempts and continued from there;
//! failures that a repetition may cure are repeated, with growing pauses, others are not.

mod budget;
mod client;
mod commit;
mod failure;
mod line;
mod partial;
pub(crate) mod places;
mod queue;
mod transfer;

pub(crate) use client::{Identity, Security};
pub(crate) use failure::{Failure, refused};
pub(crate) use transfer::open;

use crate::FetchContext;
use crate::checksum::Checksum;
use crate::items::{Item, Progress};
use crate::proxies::Proxies;
use crate::work::{self, unless_cancelled};
use budget::Budget;
use client::Clients;
use commit::{Committer, Verified};
use futures_util::future::{FutureExt, join, join_all};
use line::Line;
use osbuild_wasm_files::with_causes;
use osbuild_wasm_manifest::location::Location;
use osbuild_wasm_store::Scratch;
use places::Places;
use queue::Queue;
use std::cell::RefCell;
use std::time::{Duration, Instant};
use transfer::{Target, Transfer};

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
    /// As many where no answer comes.
    pub(crate) calls: u32,
    /// Pause before the second attempt; it doubles from one to the next, up to `longest_pause`.
    pub(crate) pause: Duration,
    pub(crate) longest_pause: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            parallel: 32,
            per_host: 16,
            connect: Duration::from_secs(30),
            low_speed_time: Duration::from_secs(30),
            bytes_per_second: 1000,
            attempts: 6,
            calls: 3,
            pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(10),
        }
    }
}

/// The largest list of mirrors that is read; real ones have some 100 KiB.
const LARGEST_DOCUMENT: u64 = 16 * 1024 * 1024;

/// How long a mirror has to show that it is fast.
const SPEED_TEST: Duration = Duration::from_secs(2);

/// One file that is to be downloaded.
pub(crate) struct Job {
    /// Its place among the items.
    pub(crate) index: usize,
    pub(crate) checksum: Checksum,
    pub(crate) places: Places,
    pub(crate) security: Security,
    /// Jobs of the same share do not run more than `parallel` at a time.
    pub(crate) share: String,
    pub(crate) parallel: usize,
}

/// What all transfers of a source have in common.
pub(crate) struct Engine<'a> {
    module: &'a str,
    context: &'a FetchContext<'a>,
    limits: &'a Limits,
    clients: Clients,
    budget: Budget,
    scratch: Scratch,
}

impl<'a> Engine<'a> {
    /// For a kind of source, whose proxies are those of the environment.
    pub(crate) fn new(
        module: &'a str,
        context: &'a FetchContext<'a>,
        limits: &'a Limits,
    ) -> Result<Self, String> {
        let proxies = Proxies::of(context.environment, module)?;
        let scratch = context.store.scratch("download");
        Ok(Self {
            module,
            context,
            limits,
            clients: Clients::new(proxies, limits.connect),
            budget: Budget::new(context.allowance.bytes),
            scratch: scratch.map_err(|error| with_causes(&error))?,
        })
    }

    /// Runs all downloads, each of which writes how it went to its item.
    pub(crate) async fn download_all(
        &self,
        jobs: Vec<Job>,
        progress: &Progress<'_>,
        items: &RefCell<Vec<Item>>,
    ) {
        let workers = self.limits.parallel.min(jobs.len());
        let queue = Queue::new(
            jobs.into_iter()
                .map(|job| (job.share.clone(), job.parallel, job)),
        );
        let committer = Committer::new(self.context.store, items);
        let work = async {
            let workers =
                join_all((0..workers).map(|_| self.work(&queue, &committer, progress, items)));
            unless_cancelled(self.context, workers.map(drop)).await;
            // What is complete by then is kept.
            committer.finish();
        };
        join(work, committer.run()).await;
    }

    async fn work(
        &self,
        queue: &Queue<Job>,
        committer: &Committer<'_>,
        progress: &Progress<'_>,
        items: &RefCell<Vec<Item>>,
    ) {
        while let Some((share, job)) = queue.next() {
            let result = self.download(&job, progress).await;
            queue.done(share);
            match result {
                Ok(verified) => committer.add(verified),
                Err(problem) => {
                    items.borrow_mut()[job.index].result =
                        Err(job.places.failure(&job.checksum, &problem))
                }
            }
            progress.add(1, 0);
        }
    }

    async fn download(&self, job: &Job, progress: &Progress<'_>) -> Result<Verified, String> {
        let key = job.checksum.to_string();
        let path = self.scratch.path().join(&key);
        let target = Target::Item(&job.checksum);
        let transfer = Transfer::new(self.line(&job.security), &job.places, target, &path);
        transfer
            .run(&|bytes| progress.add(0, bytes), &|text| self.log(text))
            .await?;
        Ok(Verified {
            index: job.index,
            key,
            path,
        })
    }

    /// Downloads a document of moderate size into memory.
    pub(crate) async fn document(
        &self,
        location: &Location,
        security: &Security,
    ) -> Result<Vec<u8>, String> {
        let directory = self
            .context
            .store
            .scratch("document")
            .map_err(|error| with_causes(&error))?;
        let path = directory.path().join("document");
        let places = Places::One(location.clone());
        let target = Target::Document {
            largest: LARGEST_DOCUMENT,
        };
        let transfer = Transfer::new(self.line(security), &places, target, &path);
        transfer.run(&|_| {}, &|text| self.log(text)).await?;
        std::fs::read(&path).map_err(|error| format!("cannot read what was received: {error}"))
    }

    /// Sorts places by how fast they answer, those that do not answer last.
    pub(crate) async fn fastest_first(
        &self,
        locations: Vec<Location>,
        security: &Security,
    ) -> Vec<Location> {
        let measure = async |location: Location| {
            let started = Instant::now();
            let answered = self.answers(&location, security).await;
            let duration = started.elapsed();
            (if answered { duration } else { Duration::MAX }, location)
        };
        let mut measured = join_all(locations.into_iter().map(measure)).await;
        measured.sort_by_key(|(duration, _)| *duration);
        measured.into_iter().map(|(_, location)| location).collect()
    }

    /// Whether a server says anything in the time that a fast one needs.
    pub(crate) async fn answers(&self, location: &Location, security: &Security) -> bool {
        let Ok(client) = self.line(security).client(location) else {
            return false;
        };
        let request = client.head(location.url().clone()).timeout(SPEED_TEST);
        request.send().await.is_ok()
    }

    /// How patient it is.
    pub(crate) fn limits(&self) -> &Limits {
        self.limits
    }

    /// How servers are talked to.
    pub(crate) fn line<'b>(&'b self, security: &'b Security) -> Line<'b> {
        Line {
            clients: &self.clients,
            security,
            allowance: &self.context.allowance,
            budget: &self.budget,
            limits: self.limits,
        }
    }

    /// Whether files of this machine are reached over links.
    pub(crate) fn follows_links(&self) -> bool {
        self.context.allowance.links
    }

    pub(crate) fn log(&self, text: String) {
        self.context.log(self.module, text);
    }
}

/// Does `work` with an engine, and gives its error, if there is one, to the items that are waiting for it.
pub(crate) fn run<'a, W: Future<Output = ()>>(
    engine: Result<Engine<'a>, String>,
    waiting: &[usize],
    items: &RefCell<Vec<Item>>,
    work: impl FnOnce(Engine<'a>) -> W,
) {
    if let Err(error) = engine.and_then(|engine| work::run(work(engine))) {
        for index in waiting {
            items.borrow_mut()[*index].result = Err(error.clone());
        }
    }
}
