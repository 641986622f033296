//! What the composer does, in no interface's words.
mod administration;
mod artefacts;
mod blueprints;
mod caller;
mod composes;
mod contents;
mod denied;
mod error;
mod graph;
mod health;
mod images;
mod listing;
mod manifests;
mod package_lists;
mod packages;
mod retention;
mod sources;
mod version;
mod workers;

pub use administration::Overview;
pub use artefacts::Artefacts;
pub use blueprints::{Change, Difference, Found, Packaged, is_name};
pub use caller::{Caller, Proof};
pub use composes::{CommittedRequest, ComposeEntry, ComposeRequest, ComposeState};
pub(crate) use contents::listed;
pub use contents::{Content, PipelineSbom, Report};
pub use denied::DeniedTypes;
pub use error::{Error, Result};
pub use health::Readiness;
pub use images::{
    Image, ImageWish, Images, PackageInfo, PipelineNames, Solved, Target, TypeFacts, Wish,
};
pub use listing::ComposeLine;
pub use packages::matches;
pub use retention::{Quota, Reason, Retention, Retired};
pub use sources::{Source, SourceKind};
pub use workers::{JobRequest, WorkerJob};

use crate::telemetry::Metrics;
use osbuild_wasm_jobs::{Clock, JobId, JobQueue, Store};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{Mutex, Semaphore, broadcast};
use tokio::time::{Instant, timeout_at};

/// The composer.
#[derive(Clone)]
#[expect(missing_debug_implementations, reason = "a store is a connection")]
pub struct Service {
    queue: JobQueue,
    images: Arc<dyn Images>,
    artefacts: Artefacts,
    clock: Arc<dyn Clock>,
    /// Places for calls that look packages up: each is a process with the metadata of repositories in its memory.
    lookups: Arc<Semaphore>,
    /// Jobs that have just changed.
    changes: broadcast::Sender<JobId>,
    metrics: Metrics,
    quota: Quota,
    /// Held while a compose is counted and queued.
    admission: Arc<Mutex<()>>,
}

/// How many changes of jobs are kept for who is slow to hear of them.
const CHANGES: usize = 256;

/// How many calls look packages up at a time.
const LOOKUPS: usize = 4;

/// How long a call may look content up.
const LONGEST: Duration = Duration::from_secs(300);

/// Tells a thread that nobody waits for its answer any longer.
#[derive(Default)]
struct EndsWithCall(Arc<AtomicBool>);

impl Drop for EndsWithCall {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Service {
    /// A composer over a queue, with what knows distributions and packages, and the place for files of composes.
    #[must_use]
    pub fn new(
        queue: JobQueue,
        images: Arc<dyn Images>,
        artefacts: Artefacts,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            queue,
            images,
            artefacts,
            clock,
            lookups: Arc::new(Semaphore::new(LOOKUPS)),
            changes: broadcast::channel(CHANGES).0,
            metrics: Metrics::default(),
            quota: Quota::default(),
            admission: Arc::default(),
        }
    }

    /// What knows distributions and packages.
    #[must_use]
    pub fn images(&self) -> &dyn Images {
        &*self.images
    }

    /// Tells which jobs change. It is a hint: what other processes do is not told, and whoever is slow misses some.
    #[must_use]
    pub fn changes_of_jobs(&self) -> broadcast::Receiver<JobId> {
        self.changes.subscribe()
    }

    fn changed(&self, job: JobId) {
        // Nobody may be listening.
        let _ = self.changes.send(job);
    }

    /// Asks what knows distributions and packages, on a thread that may take its time.
    /// What takes too long, or is not waited for any longer, is ended: the place is others'.
    async fn look_up<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn Images, &AtomicBool) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let ended = || {
            Error::Packages(format!(
                "looking content up took longer than {} s",
                LONGEST.as_secs()
            ))
        };
        let deadline = Instant::now() + LONGEST;
        let place = timeout_at(deadline, self.lookups.clone().acquire_owned()).await;
        let place = place.map_err(|_| ended())?;
        let (images, cancel) = (Arc::clone(&self.images), EndsWithCall::default());
        let flag = cancel.0.clone();
        let answer = tokio::task::spawn_blocking(move || {
            // As long as the thread is busy, whoever waits for it.
            let _place = place;
            question(&*images, &flag)
        });
        let answer = timeout_at(deadline, answer).await.map_err(|_| ended())?;
        answer.map_err(|error| Error::Packages(error.to_string()))?
    }

    fn store(&self) -> &dyn Store {
        self.queue.store()
    }
}
