//! The composes.
use super::dialect::{Row, SUCCEEDED, Store};
use super::{jobs, rows};
use crate::error::{Error, Result};
use crate::model::{Compose, FinishedCompose, JobId, ListedCompose, NewJob, Part, Usage};
use crate::store::ComposeStore;
use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::Row as _;

#[async_trait]
impl ComposeStore for Store {
    async fn add_compose(&self, compose: &Compose, jobs: &[NewJob]) -> Result<()> {
        let mut transaction = self.begin().await?;
        jobs::insert(&mut transaction, jobs, compose.created).await?;
        let insert = sqlx::query(
            "INSERT INTO composes (id, channel, created, body) VALUES ($1, $2, $3, $4)",
        );
        let insert = insert
            .bind(compose.id.to_string())
            .bind(&compose.channel)
            .bind(rows::micros(compose.created));
        insert
            .bind(compose.body.to_string())
            .execute(&mut *transaction)
            .await?;
        for (position, job) in (0_i64..).zip(&compose.roots) {
            let root = sqlx::query(
                "INSERT INTO compose_roots (compose, position, job) VALUES ($1, $2, $3)",
            );
            let root = root
                .bind(compose.id.to_string())
                .bind(position)
                .bind(job.to_string());
            root.execute(&mut *transaction).await?;
        }
        self.commit_and_wake(transaction).await
    }

    async fn compose(&self, channel: &str, id: JobId) -> Result<Option<Compose>> {
        let query = sqlx::query(
            "SELECT composes.*, job FROM composes LEFT JOIN compose_roots ON compose = id \
            WHERE channel = $1 AND id = $2 ORDER BY position",
        );
        let rows = query
            .bind(channel)
            .bind(id.to_string())
            .fetch_all(self.reader())
            .await?;
        Ok(gather(&rows)?.pop())
    }

    async fn composes(&self, channel: &str) -> Result<Vec<Compose>> {
        let query = sqlx::query(
            "SELECT composes.*, job FROM composes LEFT JOIN compose_roots ON compose = id \
            WHERE channel = $1 ORDER BY id, position",
        );
        gather(&query.bind(channel).fetch_all(self.reader()).await?)
    }

    async fn list_composes(&self, channel: &str, part: Part) -> Result<(Vec<ListedCompose>, u64)> {
        let from = "FROM composes JOIN compose_roots ON compose = composes.id AND position = 0 JOIN jobs ON jobs.id = job \
            WHERE composes.channel = $1 AND ($2 = 0 OR state IN ('pending', 'running'))";
        let unfinished = i64::from(part.unfinished);
        let query = format!(
            "SELECT composes.*, job, state, started, finished, {SUCCEEDED} AS success {from} \
            ORDER BY composes.created DESC, composes.id LIMIT $3 OFFSET $4"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(query))
            .bind(channel)
            .bind(unfinished)
            .bind(i64::from(part.limit))
            .bind(i64::try_from(part.offset).unwrap_or(i64::MAX))
            .fetch_all(self.reader())
            .await?;
        let total = format!("SELECT COUNT(*) AS number {from}");
        let total = sqlx::query(sqlx::AssertSqlSafe(total))
            .bind(channel)
            .bind(unfinished)
            .fetch_one(self.reader())
            .await?;
        let listed = gather(&rows)?.into_iter().zip(&rows);
        let listed = listed.map(|(compose, row)| {
            Ok(ListedCompose {
                compose,
                state: jobs::state(row)?,
                success: row.try_get::<i64, _>("success")? == 1,
                started: rows::optional_time(row, "started")?,
                finished: rows::optional_time(row, "finished")?,
            })
        });
        Ok((
            listed.collect::<Result<_>>()?,
            rows::count(&total, "number")?,
        ))
    }

    async fn channels(&self) -> Result<Vec<String>> {
        let query = sqlx::query("SELECT DISTINCT channel FROM composes ORDER BY channel");
        let rows = query.fetch_all(self.reader()).await?;
        rows.iter().map(|row| Ok(row.try_get("channel")?)).collect()
    }

    async fn finished_composes(&self, channel: &str) -> Result<Vec<FinishedCompose>> {
        let query = "SELECT composes.id AS compose, jobs.id AS job, jobs.finished AS finished \
            FROM composes JOIN compose_roots ON compose = composes.id JOIN jobs ON jobs.id = job \
            WHERE composes.channel = $1 AND NOT EXISTS (SELECT 1 FROM compose_roots r JOIN jobs j ON j.id = r.job \
                WHERE r.compose = composes.id AND j.state IN ('pending', 'running')) \
            ORDER BY composes.id, position";
        let rows = sqlx::query(query)
            .bind(channel)
            .fetch_all(self.reader())
            .await?;
        let mut composes: Vec<FinishedCompose> = Vec::new();
        for row in &rows {
            let id = rows::id(row, "compose")?;
            let (job, finished) = (rows::id(row, "job")?, rows::time(row, "finished")?);
            match composes.last_mut().filter(|last| last.id == id) {
                Some(last) => {
                    last.roots.push(job);
                    last.finished = last.finished.max(finished);
                }
                None => composes.push(FinishedCompose {
                    id,
                    roots: vec![job],
                    finished,
                }),
            }
        }
        composes.sort_by_key(|compose| compose.finished);
        Ok(composes)
    }

    async fn usage(&self, channel: &str, since: Timestamp) -> Result<Usage> {
        let query = "SELECT \
            (SELECT COUNT(DISTINCT compose) FROM jobs JOIN compose_roots ON job = jobs.id \
                JOIN composes ON composes.id = compose \
                WHERE state IN ('pending', 'running') AND composes.channel = $1) AS unfinished, \
            (SELECT COUNT(*) FROM composes WHERE channel = $1 AND created >= $2) AS recent";
        let row = sqlx::query(query).bind(channel).bind(rows::micros(since));
        let row = row.fetch_one(self.reader()).await?;
        Ok(Usage {
            unfinished: rows::count(&row, "unfinished")?,
            recent: rows::count(&row, "recent")?,
        })
    }

    async fn delete_compose(&self, channel: &str, id: JobId) -> Result<Option<Vec<JobId>>> {
        let mut transaction = self.begin().await?;
        let roots =
            sqlx::query("SELECT job AS id FROM compose_roots WHERE compose = $1 ORDER BY position");
        let roots = roots
            .bind(id.to_string())
            .fetch_all(&mut *transaction)
            .await?;
        let delete = sqlx::query("DELETE FROM composes WHERE channel = $1 AND id = $2")
            .bind(channel)
            .bind(id.to_string());
        if delete.execute(&mut *transaction).await?.rows_affected() == 0 {
            return Ok(None);
        }
        let mut deleted = Vec::new();
        for row in &roots {
            deleted.extend(jobs::delete_tree(&mut transaction, rows::id(row, "id")?).await?);
        }
        transaction.commit().await?;
        Ok(Some(deleted))
    }
}

/// Composes of rows with one root each, which are sorted by compose.
fn gather(rows: &[Row]) -> Result<Vec<Compose>> {
    let mut composes: Vec<Compose> = Vec::new();
    for row in rows {
        let id: JobId = rows::id(row, "id")?;
        if composes.last().is_none_or(|last| last.id != id) {
            composes.push(Compose {
                id,
                channel: row.try_get("channel")?,
                created: rows::time(row, "created")?,
                body: rows::json(row, "body")?,
                roots: Vec::new(),
            });
        }
        if let (Some(compose), Some(job)) =
            (composes.last_mut(), row.try_get::<Option<&str>, _>("job")?)
        {
            compose
                .roots
                .push(job.parse().map_err(|_| Error::Damaged("id"))?);
        }
    }
    Ok(composes)
}
