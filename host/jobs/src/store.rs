//! What a database has to do for us. A call is one transaction: all of it happened, or nothing.
use crate::error::Result;
use crate::model::{
    Claim, Claimed, Compose, Count, Document, Expired, FinishedCompose, Job, JobId, Lease,
    ListedCompose, ListedJob, NewJob, Part, Token, Usage, Worker, WorkerId, Write,
};
use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::watch;

/// The queue of jobs.
#[async_trait]
pub trait JobStore: Send + Sync {
    /// Queues jobs; a job may need those before it in the batch.
    async fn enqueue(&self, jobs: &[NewJob], now: Timestamp) -> Result<()>;

    /// Gives away the oldest ready job of what is asked for.
    async fn claim(&self, claim: &Claim, now: Timestamp) -> Result<Option<Claimed>>;

    /// Notes that the worker with this token is alive.
    async fn heartbeat(&self, token: Token, now: Timestamp) -> Result<Lease>;

    /// How a token stands, without a sign of life.
    async fn lease(&self, token: Token) -> Result<Lease>;

    /// Whose the job with this token is.
    async fn channel(&self, token: Token) -> Result<Option<String>>;

    /// Keeps a partial result; a sign of life, too.
    async fn progress(&self, token: Token, partial: &Value, now: Timestamp) -> Result<Lease>;

    /// Finishes the job. After any answer but [`Lease::Held`] the result was not kept.
    async fn finish(&self, token: Token, result: &Value, now: Timestamp) -> Result<Lease>;

    /// Cancels a job, all that need it, and all that only these needed. Answers with what was pending or running until now.
    async fn cancel(&self, job: JobId, now: Timestamp) -> Result<Vec<JobId>>;

    /// Takes jobs from workers that were last heard of before `silent_since`. A job that went back `limit` times already is
    /// finished with `failure` as its result.
    async fn expire(
        &self,
        silent_since: Timestamp,
        limit: u32,
        failure: &Value,
        now: Timestamp,
    ) -> Result<Expired>;

    /// A job as it stands.
    async fn job(&self, job: JobId) -> Result<Option<Job>>;

    /// The kind of a job, without reading what it is told and what it tells.
    async fn kind(&self, job: JobId) -> Result<Option<String>>;

    /// Deletes a job that nothing needs, and what only it needed. Answers with all that are gone.
    async fn delete(&self, job: JobId) -> Result<Vec<JobId>>;

    /// The jobs that are pending or running, the oldest first.
    async fn open_jobs(&self) -> Result<Vec<ListedJob>>;

    /// How many jobs are pending or running, by kind, channel and state.
    async fn counts(&self) -> Result<Vec<Count>>;

    /// Changes when a job may have become ready. It is a hint: some changes come late or for nothing.
    fn wakes(&self) -> watch::Receiver<()>;
}

/// The workers that registered.
#[async_trait]
pub trait WorkerStore: Send + Sync {
    /// Notes a new worker.
    async fn register(&self, channel: &str, arch: &str, now: Timestamp) -> Result<WorkerId>;

    /// Notes that a worker of a channel is alive. False: it is not registered there, or no longer.
    async fn seen(&self, channel: &str, worker: WorkerId, now: Timestamp) -> Result<bool>;

    /// The workers, the oldest first.
    async fn workers(&self) -> Result<Vec<Worker>>;

    /// Forgets workers that were last heard of before `silent_since`.
    async fn forget(&self, silent_since: Timestamp) -> Result<Vec<WorkerId>>;
}

/// The composes. No call finds a compose of another channel.
#[async_trait]
pub trait ComposeStore: Send + Sync {
    /// Keeps a compose and queues its jobs.
    async fn add_compose(&self, compose: &Compose, jobs: &[NewJob]) -> Result<()>;

    /// One compose.
    async fn compose(&self, channel: &str, id: JobId) -> Result<Option<Compose>>;

    /// The composes, sorted by id.
    async fn composes(&self, channel: &str) -> Result<Vec<Compose>>;

    /// A part of the composes, the newest first, and how many there are in all.
    async fn list_composes(&self, channel: &str, part: Part) -> Result<(Vec<ListedCompose>, u64)>;

    /// The channels that have composes.
    async fn channels(&self) -> Result<Vec<String>>;

    /// The composes that are over, the one that has been over for longest first.
    async fn finished_composes(&self, channel: &str) -> Result<Vec<FinishedCompose>>;

    /// How many composes there are; `since`: when the recent ones begin.
    async fn usage(&self, channel: &str, since: Timestamp) -> Result<Usage>;

    /// Deletes a compose and the jobs that only it needs. Answers with the jobs that are gone, `None` if there is no such compose.
    async fn delete_compose(&self, channel: &str, id: JobId) -> Result<Option<Vec<JobId>>>;
}

/// Named values.
#[async_trait]
pub trait DocumentStore: Send + Sync {
    /// One document.
    async fn document(&self, channel: &str, kind: &str, name: &str) -> Result<Option<Document>>;

    /// The documents of a kind, in the order in which they were first written.
    async fn documents(&self, channel: &str, kind: &str) -> Result<Vec<Document>>;

    /// Makes changes, all or none of them.
    async fn write(&self, channel: &str, changes: &[Write]) -> Result<()>;
}

/// A database of the services.
pub trait Store: JobStore + WorkerStore + ComposeStore + DocumentStore {}

impl<T: JobStore + WorkerStore + ComposeStore + DocumentStore> Store for T {}
