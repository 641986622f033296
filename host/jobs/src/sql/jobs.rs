//! The queue.
use super::dialect::{Db, LOCK_JOB, NEXT_JOB, Row, SILENT_JOBS, Store};
use super::rows;
use crate::error::{Error, Result};
use crate::model::{
    Channels, Claim, Claimed, Count, Expired, Job, JobId, Lease, ListedJob, NewJob, State, Token,
};
use crate::store::JobStore;
use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;
use sqlx::{Row as _, Transaction};
use tokio::sync::watch;

#[async_trait]
impl JobStore for Store {
    async fn enqueue(&self, jobs: &[NewJob], now: Timestamp) -> Result<()> {
        let mut transaction = self.begin().await?;
        insert(&mut transaction, jobs, now).await?;
        self.commit_and_wake(transaction).await
    }

    async fn claim(&self, claim: &Claim, now: Timestamp) -> Result<Option<Claimed>> {
        let mut transaction = self.begin().await?;
        let next = sqlx::query(NEXT_JOB)
            .bind(rows::list(&claim.kinds))
            .bind(channels(&claim.channels));
        let Some(row) = next.fetch_optional(&mut *transaction).await? else {
            return Ok(None);
        };
        let (id, token) = (rows::id::<JobId>(&row, "id")?, Token::random());
        let take = "UPDATE jobs SET state = 'running', token = $1, worker = $2, heartbeat = $3, started = $3, result = NULL \
            WHERE id = $4";
        let take = sqlx::query(take)
            .bind(token.to_string())
            .bind(claim.worker.map(|worker| worker.to_string()));
        take.bind(rows::micros(now))
            .bind(id.to_string())
            .execute(&mut *transaction)
            .await?;
        let claimed = Claimed {
            id,
            token,
            kind: row.try_get("kind")?,
            channel: row.try_get("channel")?,
            args: rows::json(&row, "args")?,
            results: results(&mut transaction, id).await?,
        };
        transaction.commit().await?;
        Ok(Some(claimed))
    }

    async fn heartbeat(&self, token: Token, now: Timestamp) -> Result<Lease> {
        let mut transaction = self.begin().await?;
        let beat = "UPDATE jobs SET heartbeat = $1 WHERE token = $2 AND state = 'running'";
        sqlx::query(beat)
            .bind(rows::micros(now))
            .bind(token.to_string())
            .execute(&mut *transaction)
            .await?;
        let lease = lease(&mut transaction, token).await?;
        transaction.commit().await?;
        Ok(lease)
    }

    async fn lease(&self, token: Token) -> Result<Lease> {
        let mut transaction = self.begin().await?;
        lease(&mut transaction, token).await
    }

    async fn channel(&self, token: Token) -> Result<Option<String>> {
        let query =
            sqlx::query("SELECT channel FROM jobs WHERE token = $1").bind(token.to_string());
        let row = query.fetch_optional(self.reader()).await?;
        row.map(|row| Ok(row.try_get("channel")?)).transpose()
    }

    async fn progress(&self, token: Token, partial: &Value, now: Timestamp) -> Result<Lease> {
        let mut transaction = self.begin().await?;
        let note =
            "UPDATE jobs SET result = $1, heartbeat = $2 WHERE token = $3 AND state = 'running'";
        let note = sqlx::query(note)
            .bind(partial.to_string())
            .bind(rows::micros(now))
            .bind(token.to_string());
        note.execute(&mut *transaction).await?;
        let lease = lease(&mut transaction, token).await?;
        transaction.commit().await?;
        Ok(lease)
    }

    async fn finish(&self, token: Token, result: &Value, now: Timestamp) -> Result<Lease> {
        let mut transaction = self.begin().await?;
        let lease = lease(&mut transaction, token).await?;
        let Lease::Held(job) = lease else {
            return Ok(lease);
        };
        let finish = "UPDATE jobs SET state = 'finished', result = $1, finished = $2, token = NULL, heartbeat = NULL \
            WHERE token = $3 AND state = 'running'";
        let finish = sqlx::query(finish)
            .bind(result.to_string())
            .bind(rows::micros(now))
            .bind(token.to_string());
        if finish.execute(&mut *transaction).await?.rows_affected() == 0 {
            // Another call came between the two statements; SQLite lets none in between.
            drop(transaction);
            return self.heartbeat(token, now).await;
        }
        self.commit_and_wake(transaction).await?;
        Ok(Lease::Held(job))
    }

    async fn cancel(&self, job: JobId, now: Timestamp) -> Result<Vec<JobId>> {
        let mut transaction = self.begin().await?;
        let dependants = "WITH RECURSIVE above (id) AS (\
                SELECT CAST($1 AS TEXT) UNION SELECT d.job FROM job_dependencies d JOIN above ON d.needs = above.id) \
            UPDATE jobs SET state = 'canceled', finished = $2 \
            WHERE state IN ('pending', 'running') AND id IN (SELECT id FROM above) RETURNING id";
        let rows = sqlx::query(dependants)
            .bind(job.to_string())
            .bind(rows::micros(now))
            .fetch_all(&mut *transaction);
        let mut canceled = ids(&rows.await?)?;
        let mut newly = canceled.clone();
        while !newly.is_empty() {
            newly = cancel_unneeded(&mut transaction, &newly, now).await?;
            canceled.extend(&newly);
        }
        self.commit_and_wake(transaction).await?;
        Ok(canceled)
    }

    async fn expire(
        &self,
        silent_since: Timestamp,
        limit: u32,
        failure: &Value,
        now: Timestamp,
    ) -> Result<Expired> {
        let mut transaction = self.begin().await?;
        let silent = sqlx::query(SILENT_JOBS)
            .bind(rows::micros(silent_since))
            .fetch_all(&mut *transaction)
            .await?;
        let mut expired = Expired::default();
        for row in &silent {
            let (id, token) = (
                rows::id::<JobId>(row, "id")?,
                rows::id::<Token>(row, "token")?,
            );
            if rows::count::<u32>(row, "requeues")? < limit {
                let requeue = "UPDATE jobs SET state = 'pending', token = NULL, worker = NULL, heartbeat = NULL, \
                    started = NULL, result = NULL, requeues = requeues + 1 WHERE id = $1";
                sqlx::query(requeue)
                    .bind(id.to_string())
                    .execute(&mut *transaction)
                    .await?;
                expired.requeued.push((id, token));
            } else {
                let fail = "UPDATE jobs SET state = 'finished', token = NULL, heartbeat = NULL, result = $1, finished = $2 \
                    WHERE id = $3";
                let fail = sqlx::query(fail)
                    .bind(failure.to_string())
                    .bind(rows::micros(now))
                    .bind(id.to_string());
                fail.execute(&mut *transaction).await?;
                expired.failed.push((id, token));
            }
        }
        if silent.is_empty() {
            return Ok(expired);
        }
        self.commit_and_wake(transaction).await?;
        Ok(expired)
    }

    async fn job(&self, job: JobId) -> Result<Option<Job>> {
        let query = sqlx::query("SELECT * FROM jobs WHERE id = $1").bind(job.to_string());
        let Some(row) = query.fetch_optional(self.reader()).await? else {
            return Ok(None);
        };
        let needs = sqlx::query(
            "SELECT needs AS id FROM job_dependencies WHERE job = $1 ORDER BY position",
        );
        let needs = needs.bind(job.to_string()).fetch_all(self.reader()).await?;
        let needed_by = sqlx::query(
            "SELECT DISTINCT job AS id FROM job_dependencies WHERE needs = $1 ORDER BY job",
        );
        let needed_by = needed_by
            .bind(job.to_string())
            .fetch_all(self.reader())
            .await?;
        Ok(Some(Job {
            id: job,
            kind: row.try_get("kind")?,
            channel: row.try_get("channel")?,
            args: rows::json(&row, "args")?,
            result: rows::optional_json(&row, "result")?,
            state: state(&row)?,
            requeues: rows::count(&row, "requeues")?,
            created: rows::time(&row, "created")?,
            started: rows::optional_time(&row, "started")?,
            finished: rows::optional_time(&row, "finished")?,
            needs: ids(&needs)?,
            needed_by: ids(&needed_by)?,
        }))
    }

    async fn kind(&self, job: JobId) -> Result<Option<String>> {
        let query = sqlx::query("SELECT kind FROM jobs WHERE id = $1").bind(job.to_string());
        let row = query.fetch_optional(self.reader()).await?;
        Ok(row.map(|row| row.try_get("kind")).transpose()?)
    }

    async fn delete(&self, job: JobId) -> Result<Vec<JobId>> {
        let mut transaction = self.begin().await?;
        let deleted = delete_tree(&mut transaction, job).await?;
        transaction.commit().await?;
        Ok(deleted)
    }

    async fn open_jobs(&self) -> Result<Vec<ListedJob>> {
        let query = "SELECT id, kind, channel, state, requeues, created, started FROM jobs \
            WHERE state IN ('pending', 'running') ORDER BY seq";
        let rows = sqlx::query(query).fetch_all(self.reader()).await?;
        let jobs = rows.iter().map(|row| {
            Ok(ListedJob {
                id: rows::id(row, "id")?,
                kind: row.try_get("kind")?,
                channel: row.try_get("channel")?,
                state: state(row)?,
                requeues: rows::count(row, "requeues")?,
                created: rows::time(row, "created")?,
                started: rows::optional_time(row, "started")?,
            })
        });
        jobs.collect()
    }

    async fn counts(&self) -> Result<Vec<Count>> {
        let query = "SELECT kind, channel, state, COUNT(*) AS number, MIN(created) AS oldest FROM jobs \
            WHERE state IN ('pending', 'running') GROUP BY kind, channel, state ORDER BY kind, channel, state";
        let rows = sqlx::query(query).fetch_all(self.reader()).await?;
        let counts = rows.iter().map(|row| {
            Ok(Count {
                kind: row.try_get("kind")?,
                channel: row.try_get("channel")?,
                state: state(row)?,
                number: rows::count(row, "number")?,
                oldest: rows::time(row, "oldest")?,
            })
        });
        counts.collect()
    }

    fn wakes(&self) -> watch::Receiver<()> {
        self.receiver()
    }
}

/// Adds jobs. What they need has to be there: a job that waits for nothing known would wait for ever.
pub(super) async fn insert(
    transaction: &mut Transaction<'static, Db>,
    jobs: &[NewJob],
    now: Timestamp,
) -> Result<()> {
    for job in jobs {
        let insert = "INSERT INTO jobs (id, kind, channel, args, created, state, result, finished) \
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
        let insert = sqlx::query(insert)
            .bind(job.id.to_string())
            .bind(&job.kind)
            .bind(&job.channel)
            .bind(job.args.to_string())
            .bind(rows::micros(now));
        let state = match &job.result {
            Some(_) => State::Finished,
            None => State::Pending,
        };
        insert
            .bind(state.as_str())
            .bind(job.result.as_ref().map(Value::to_string))
            .bind(job.result.as_ref().map(|_| rows::micros(now)))
            .execute(&mut **transaction)
            .await?;
        for (position, &needs) in (0_i64..).zip(&job.needs) {
            let known = sqlx::query("SELECT id FROM jobs WHERE id = $1").bind(needs.to_string());
            if needs == job.id || known.fetch_optional(&mut **transaction).await?.is_none() {
                return Err(Error::NoDependency { job: job.id, needs });
            }
            let depend = sqlx::query(
                "INSERT INTO job_dependencies (job, position, needs) VALUES ($1, $2, $3)",
            );
            depend
                .bind(job.id.to_string())
                .bind(position)
                .bind(needs.to_string())
                .execute(&mut **transaction)
                .await?;
        }
    }
    Ok(())
}

/// Deletes a finished job that nothing needs, then those of its dependencies that nothing needs any more.
pub(super) async fn delete_tree(
    transaction: &mut Transaction<'static, Db>,
    root: JobId,
) -> Result<Vec<JobId>> {
    let mut deleted = Vec::new();
    let mut left = vec![root];
    while let Some(job) = left.pop() {
        let Some(row) = sqlx::query(LOCK_JOB)
            .bind(job.to_string())
            .fetch_optional(&mut **transaction)
            .await?
        else {
            continue;
        };
        let needed = "SELECT job FROM job_dependencies WHERE needs = $1 UNION SELECT compose FROM compose_roots WHERE job = $1";
        if sqlx::query(needed)
            .bind(job.to_string())
            .fetch_optional(&mut **transaction)
            .await?
            .is_some()
        {
            if job == root {
                return Err(Error::Needed(job));
            }
            continue;
        }
        if !state(&row)?.is_final() {
            return Err(Error::NotFinished(job));
        }
        let needs = sqlx::query(
            "SELECT needs AS id FROM job_dependencies WHERE job = $1 ORDER BY position",
        );
        left.extend(ids(&needs
            .bind(job.to_string())
            .fetch_all(&mut **transaction)
            .await?)?);
        sqlx::query("DELETE FROM jobs WHERE id = $1")
            .bind(job.to_string())
            .execute(&mut **transaction)
            .await?;
        deleted.push(job);
    }
    Ok(deleted)
}

/// Cancels the dependencies of `canceled` that no other job waits for.
async fn cancel_unneeded(
    transaction: &mut Transaction<'static, Db>,
    canceled: &[JobId],
    now: Timestamp,
) -> Result<Vec<JobId>> {
    let mut newly = Vec::new();
    for job in canceled {
        let unneeded = "UPDATE jobs SET state = 'canceled', finished = $2 \
            WHERE state IN ('pending', 'running') AND id IN (SELECT needs FROM job_dependencies WHERE job = $1) \
            AND NOT EXISTS (SELECT 1 FROM job_dependencies d JOIN jobs u ON u.id = d.job \
                WHERE d.needs = jobs.id AND u.state IN ('pending', 'running')) RETURNING id";
        let unneeded = sqlx::query(unneeded)
            .bind(job.to_string())
            .bind(rows::micros(now));
        newly.extend(ids(&unneeded.fetch_all(&mut **transaction).await?)?);
    }
    Ok(newly)
}

/// The results of what a job needs.
async fn results(transaction: &mut Transaction<'static, Db>, job: JobId) -> Result<Vec<Value>> {
    let query = "SELECT n.result FROM job_dependencies d JOIN jobs n ON n.id = d.needs WHERE d.job = $1 ORDER BY d.position";
    let rows = sqlx::query(query)
        .bind(job.to_string())
        .fetch_all(&mut **transaction)
        .await?;
    rows.iter()
        .map(|row| Ok(rows::optional_json(row, "result")?.unwrap_or(Value::Null)))
        .collect()
}

/// How a token stands.
async fn lease(transaction: &mut Transaction<'static, Db>, token: Token) -> Result<Lease> {
    let query = sqlx::query("SELECT id, state FROM jobs WHERE token = $1").bind(token.to_string());
    let Some(row) = query.fetch_optional(&mut **transaction).await? else {
        return Ok(Lease::Lost);
    };
    let job = rows::id(&row, "id")?;
    Ok(match state(&row)? {
        State::Running => Lease::Held(job),
        State::Canceled => Lease::Canceled(job),
        State::Pending | State::Finished => Lease::Lost,
    })
}

/// The channels as [`NEXT_JOB`] takes them.
fn channels(channels: &Channels) -> String {
    match channels {
        Channels::All => Value::Null.to_string(),
        Channels::These(names) => rows::list(names),
    }
}

/// Where the job of a row stands.
pub(super) fn state(row: &Row) -> Result<State> {
    State::parse(row.try_get("state")?).ok_or(Error::Damaged("state"))
}

fn ids(rows: &[Row]) -> Result<Vec<JobId>> {
    rows.iter().map(|row| rows::id(row, "id")).collect()
}
