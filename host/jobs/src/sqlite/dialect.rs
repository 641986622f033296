//! Where SQLite's language or its use differ from PostgreSQL's.
use super::SqliteStore;
use crate::error::Result;
use sqlx::Transaction;
use tokio::sync::watch;

pub(super) type Db = sqlx::Sqlite;
pub(super) type Row = sqlx::sqlite::SqliteRow;
pub(super) type Pool = sqlx::SqlitePool;
pub(super) type Store = SqliteStore;

/// The oldest ready job of the kinds `$1` in the channels `$2`; in all, where that is the null of JSON.
pub(super) const NEXT_JOB: &str = "\
    SELECT id, kind, channel, args FROM jobs \
    WHERE state = 'pending' AND kind IN (SELECT value FROM json_each($1)) \
    AND ($2 = 'null' OR channel IN (SELECT value FROM json_each($2))) \
    AND NOT EXISTS (SELECT 1 FROM job_dependencies d JOIN jobs n ON n.id = d.needs \
        WHERE d.job = jobs.id AND n.state IN ('pending', 'running')) \
    ORDER BY seq LIMIT 1";

/// Running jobs whose worker was last heard of before `$1`.
pub(super) const SILENT_JOBS: &str =
    "SELECT id, token, requeues FROM jobs WHERE state = 'running' AND heartbeat < $1 ORDER BY seq";

/// A job, held against changes until the end of the transaction.
pub(super) const LOCK_JOB: &str = "SELECT state FROM jobs WHERE id = $1";

/// Whether the result of a job says that it succeeded: 1 or 0.
pub(super) const SUCCEEDED: &str =
    "CASE WHEN state = 'finished' AND json_extract(result, '$.success') = 1 THEN 1 ELSE 0 END";

impl SqliteStore {
    pub(super) fn reader(&self) -> &Pool {
        &self.reader
    }

    /// A transaction that writes. It takes the file's lock at once: one that begins by reading could not get it any more.
    pub(super) async fn begin(&self) -> Result<Transaction<'static, Db>> {
        Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?)
    }

    /// Ends a transaction after which a job may be ready.
    pub(super) async fn commit_and_wake(
        &self,
        transaction: Transaction<'static, Db>,
    ) -> Result<()> {
        transaction.commit().await?;
        self.wake();
        Ok(())
    }

    pub(super) fn receiver(&self) -> watch::Receiver<()> {
        self.wakes.subscribe()
    }
}
