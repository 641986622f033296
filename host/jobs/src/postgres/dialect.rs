//! Where PostgreSQL's language or its use differ from SQLite's.
use super::{CHANNEL, PostgresStore};
use crate::error::Result;
use sqlx::Transaction;
use tokio::sync::watch;

pub(super) type Db = sqlx::Postgres;
pub(super) type Row = sqlx::postgres::PgRow;
pub(super) type Pool = sqlx::PgPool;
pub(super) type Store = PostgresStore;

/// The oldest ready job of the kinds `$1` in the channels `$2`; in all, where that is the null of JSON. A job that another worker is about to take is passed over.
pub(super) const NEXT_JOB: &str = "\
    SELECT id, kind, channel, args FROM jobs \
    WHERE state = 'pending' AND kind IN (SELECT jsonb_array_elements_text($1::text::jsonb)) \
    AND ($2::text = 'null' OR channel IN (SELECT jsonb_array_elements_text(NULLIF($2::text, 'null')::jsonb))) \
    AND NOT EXISTS (SELECT 1 FROM job_dependencies d JOIN jobs n ON n.id = d.needs \
        WHERE d.job = jobs.id AND n.state IN ('pending', 'running')) \
    ORDER BY seq LIMIT 1 FOR UPDATE SKIP LOCKED";

/// Running jobs whose worker was last heard of before `$1`.
pub(super) const SILENT_JOBS: &str = "\
    SELECT id, token, requeues FROM jobs WHERE state = 'running' AND heartbeat < $1 ORDER BY seq FOR UPDATE SKIP LOCKED";

/// A job, held against changes until the end of the transaction.
pub(super) const LOCK_JOB: &str = "SELECT state FROM jobs WHERE id = $1 FOR UPDATE";

/// Whether the result of a job says that it succeeded: 1 or 0. A log may hold a zero byte, which no text of the database can.
pub(super) const SUCCEEDED: &str = "\
    CASE WHEN state = 'finished' AND replace(result, '\\u0000', '\\ufffd')::json ->> 'success' = 'true' \
    THEN 1::bigint ELSE 0::bigint END";

impl PostgresStore {
    pub(super) fn reader(&self) -> &Pool {
        &self.pool
    }

    /// A transaction that writes.
    pub(super) async fn begin(&self) -> Result<Transaction<'static, Db>> {
        Ok(self.pool.begin().await?)
    }

    /// Ends a transaction after which a job may be ready. The notification comes with the commit, never before it.
    pub(super) async fn commit_and_wake(
        &self,
        mut transaction: Transaction<'static, Db>,
    ) -> Result<()> {
        sqlx::query("SELECT pg_notify($1, '')")
            .bind(CHANNEL)
            .execute(&mut *transaction)
            .await?;
        Ok(transaction.commit().await?)
    }

    pub(super) fn receiver(&self) -> watch::Receiver<()> {
        self.wakes.subscribe()
    }
}
