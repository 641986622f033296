//! The workers.
use super::dialect::Store;
use super::rows;
use crate::error::Result;
use crate::model::{Worker, WorkerId};
use crate::store::WorkerStore;
use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::Row as _;

#[async_trait]
impl WorkerStore for Store {
    async fn register(&self, channel: &str, arch: &str, now: Timestamp) -> Result<WorkerId> {
        let worker = WorkerId::random();
        let mut transaction = self.begin().await?;
        let insert =
            sqlx::query("INSERT INTO workers (id, channel, arch, seen) VALUES ($1, $2, $3, $4)");
        let insert = insert
            .bind(worker.to_string())
            .bind(channel)
            .bind(arch)
            .bind(rows::micros(now));
        insert.execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(worker)
    }

    async fn seen(&self, channel: &str, worker: WorkerId, now: Timestamp) -> Result<bool> {
        let mut transaction = self.begin().await?;
        let note = sqlx::query("UPDATE workers SET seen = $1 WHERE id = $2 AND channel = $3")
            .bind(rows::micros(now))
            .bind(worker.to_string())
            .bind(channel);
        let known = note.execute(&mut *transaction).await?.rows_affected() == 1;
        transaction.commit().await?;
        Ok(known)
    }

    async fn workers(&self) -> Result<Vec<Worker>> {
        let rows = sqlx::query("SELECT * FROM workers ORDER BY seq")
            .fetch_all(self.reader())
            .await?;
        let workers = rows.iter().map(|row| {
            Ok(Worker {
                id: rows::id(row, "id")?,
                channel: row.try_get("channel")?,
                arch: row.try_get("arch")?,
                seen: rows::time(row, "seen")?,
            })
        });
        workers.collect()
    }

    async fn forget(&self, silent_since: Timestamp) -> Result<Vec<WorkerId>> {
        let mut transaction = self.begin().await?;
        let forget = sqlx::query("DELETE FROM workers WHERE seen < $1 RETURNING id")
            .bind(rows::micros(silent_since));
        let rows = forget.fetch_all(&mut *transaction).await?;
        transaction.commit().await?;
        rows.iter().map(|row| rows::id(row, "id")).collect()
    }
}
