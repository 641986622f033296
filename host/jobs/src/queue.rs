//! The queue as the services use it: with a clock, with patience, and with limits.
use crate::clock::Clock;
use crate::error::Result;
use crate::model::{Claim, Claimed, Expired, JobId, Lease, NewJob, Token, WorkerId};
use crate::store::Store;
use jiff::SignedDuration;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// A wake-up can be lost with the connection that brings it: a waiting call looks again this often.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// When the queue gives up on workers. The defaults are osbuild-composer's.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// A job whose worker is silent for longer goes back to the queue.
    pub job_silence: SignedDuration,
    /// How often a job may go back.
    pub requeues: u32,
    /// A worker that is silent for longer is forgotten.
    pub worker_silence: SignedDuration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            job_silence: SignedDuration::from_secs(120),
            requeues: 2,
            worker_silence: SignedDuration::from_hours(1),
        }
    }
}

/// What came of a wait for a job.
#[derive(Debug)]
pub enum Dequeue {
    /// A job.
    Job(Box<Claimed>),
    /// The time is over.
    TimedOut,
}

/// A store with a clock.
#[derive(Clone)]
#[expect(missing_debug_implementations, reason = "a store is a connection")]
pub struct JobQueue {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    limits: Limits,
}

impl JobQueue {
    /// A queue over `store`.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, limits: Limits) -> Self {
        Self {
            store,
            clock,
            limits,
        }
    }

    /// The store, for what needs no clock.
    #[must_use]
    pub fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// Queues jobs.
    ///
    /// # Errors
    /// A job that one of them needs is not there; the database failed.
    pub async fn enqueue(&self, jobs: &[NewJob]) -> Result<()> {
        self.store.enqueue(jobs, self.clock.now()).await
    }

    /// Waits for a job, at most for `patience`; without one until there is a job. Dropping the future loses no job.
    ///
    /// # Errors
    /// The database failed.
    pub async fn dequeue(&self, claim: &Claim, patience: Option<Duration>) -> Result<Dequeue> {
        let mut wakes = self.store.wakes();
        let end = patience.map(|patience| Instant::now() + patience);
        loop {
            // What happens from here on wakes us, so nothing is missed between the look and the wait.
            wakes.borrow_and_update();
            if let Some(job) = self.store.claim(claim, self.clock.now()).await? {
                return Ok(Dequeue::Job(Box::new(job)));
            }
            let now = Instant::now();
            if end.is_some_and(|end| end <= now) {
                return Ok(Dequeue::TimedOut);
            }
            let next = now + LOOK_AGAIN;
            let _ = timeout_at(end.map_or(next, |end| end.min(next)), wakes.changed()).await;
        }
    }

    /// Notes that the worker with this token is alive.
    ///
    /// # Errors
    /// The database failed.
    pub async fn heartbeat(&self, token: Token) -> Result<Lease> {
        self.store.heartbeat(token, self.clock.now()).await
    }

    /// Keeps a partial result.
    ///
    /// # Errors
    /// The database failed.
    pub async fn progress(&self, token: Token, partial: &Value) -> Result<Lease> {
        self.store.progress(token, partial, self.clock.now()).await
    }

    /// Finishes the job of this token.
    ///
    /// # Errors
    /// The database failed.
    pub async fn finish(&self, token: Token, result: &Value) -> Result<Lease> {
        self.store.finish(token, result, self.clock.now()).await
    }

    /// Cancels a job and what hangs on it.
    ///
    /// # Errors
    /// The database failed.
    pub async fn cancel(&self, job: JobId) -> Result<Vec<JobId>> {
        self.store.cancel(job, self.clock.now()).await
    }

    /// Notes a new worker.
    ///
    /// # Errors
    /// The database failed.
    pub async fn register(&self, channel: &str, arch: &str) -> Result<WorkerId> {
        self.store.register(channel, arch, self.clock.now()).await
    }

    /// Notes that a worker of a channel is alive; false if it has to register again.
    ///
    /// # Errors
    /// The database failed.
    pub async fn seen(&self, channel: &str, worker: WorkerId) -> Result<bool> {
        self.store.seen(channel, worker, self.clock.now()).await
    }

    /// Takes jobs from silent workers and forgets those workers. Every process may do it at any time: each step is guarded by the
    /// state that it changes.
    ///
    /// # Errors
    /// The database failed.
    pub async fn reconcile(&self) -> Result<Expired> {
        let now = self.clock.now();
        self.store.forget(now - self.limits.worker_silence).await?;
        let failure = silent_workers(self.limits.requeues);
        self.store
            .expire(
                now - self.limits.job_silence,
                self.limits.requeues,
                &failure,
                now,
            )
            .await
    }
}

/// The result of a job that no worker brings to an end: error 27 of the worker API.
fn silent_workers(limit: u32) -> Value {
    json!({
        "success": false,
        "job_error": {
            "id": 27,
            "reason": format!("Workers running this job stopped responding more than {limit} times."),
        },
    })
}
