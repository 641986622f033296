//! What the services of the layer above keep: jobs with their dependencies, the workers that take them, composes and documents.
//!
//! A job is a row. It is *pending* until a worker claims it, *running* while that worker tells of itself, and then *finished* or
//! *canceled*. A claim makes a random token, and whatever the worker says of the job later has to name that token: a job that went
//! back into the queue has another one, so a late worker can overwrite nothing. Jobs of a *channel* (one tenant) are seen by those
//! who ask for that channel only.
//!
//! One store is a file of SQLite for one machine, the other a database of PostgreSQL for many ([`open`]). Both behave alike: the
//! statements are the same text where the two languages agree (`src/sql`), and the tests are the same for both.
//!
//! The rules are those of osbuild-composer's queue: dependencies that failed still make a job ready (it reads their results), a job
//! without a sign of life goes back to the queue a limited number of times, a late result of a canceled job is refused.
#![forbid(unsafe_code)]
#![allow(
    clippy::duplicate_mod,
    reason = "SQLite and PostgreSQL have a module each of the statements they share"
)]
mod clock;
mod error;
mod migration;
mod model;
mod postgres;
mod queue;
mod sqlite;
mod store;

pub use clock::{Clock, ManualClock, SystemClock};
pub use error::{Error, Result};
pub use model::{
    Channels, Claim, Claimed, Compose, Count, Document, Expectation, Expired, FinishedCompose, Job,
    JobId, Lease, ListedCompose, ListedJob, NewJob, Part, State, Token, Usage, Worker, WorkerId,
    Write,
};
pub use queue::{Dequeue, JobQueue, Limits};
pub use store::{ComposeStore, DocumentStore, JobStore, Store, WorkerStore};

use std::sync::Arc;

pub use migration::Schema;

/// How far the database at `url` is, without changing anything in it. A file that is not there has nothing yet.
///
/// # Errors
/// The URL is of another kind, or the database cannot be reached.
pub async fn schema(url: &str) -> Result<Schema> {
    if let Some(path) = url.strip_prefix("sqlite:") {
        return sqlite::schema(path.as_ref()).await;
    }
    if url.starts_with("postgresql://") || url.starts_with("postgres://") {
        return postgres::schema(url).await;
    }
    Err(Error::Scheme)
}

/// Opens the database at `url`, and brings it to this program's version.
///
/// `url` is `postgresql://USER@HOST/DATABASE` (parameters as libpq has them, `host=/run/...` for a socket), or `sqlite:PATH`, whose
/// file is made, readable by its owner only. `connections` is the largest number of connections to PostgreSQL.
///
/// # Errors
/// The URL is of another kind, the database cannot be reached, or a newer program has used it.
pub async fn open(url: &str, connections: u32) -> Result<Arc<dyn Store>> {
    if let Some(path) = url.strip_prefix("sqlite:") {
        return Ok(Arc::new(sqlite::SqliteStore::open(path.as_ref()).await?));
    }
    if url.starts_with("postgresql://") || url.starts_with("postgres://") {
        return Ok(Arc::new(
            postgres::PostgresStore::open(url, connections).await?,
        ));
    }
    Err(Error::Scheme)
}
