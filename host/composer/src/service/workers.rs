//! What workers do: take jobs, tell of them, finish them.
use super::artefacts::NewArtefact;
use super::{Caller, Error, Result, Service};
use crate::telemetry::Outcome;
use osbuild_wasm_jobs::{Channels, Claim, Dequeue, Expired, JobId, Lease, Token, WorkerId};
use osbuild_wasm_tasks::kind;
use serde_json::Value;
use std::time::Duration;
use tracing::{info, warn};

/// What a worker asks for.
#[derive(Clone, Debug)]
pub struct JobRequest {
    /// The kinds of jobs that it does.
    pub kinds: Vec<String>,
    /// The architecture that it builds for.
    pub arch: String,
    /// Who it is, if it registered.
    pub worker: Option<WorkerId>,
}

/// A job that a worker got.
#[derive(Debug)]
pub struct WorkerJob {
    /// The job.
    pub id: JobId,
    /// What the worker names it by.
    pub token: Token,
    /// Its kind, without an architecture.
    pub kind: String,
    /// What is to be done.
    pub args: Value,
    /// The results of what it needs.
    pub dynamic_args: Vec<Value>,
}

impl Service {
    /// Notes a new worker.
    ///
    /// # Errors
    /// The store failed.
    pub async fn register_worker(&self, caller: &Caller, arch: &str) -> Result<WorkerId> {
        Ok(self.queue.register(&caller.channel, arch).await?)
    }

    /// Notes that a worker is alive.
    ///
    /// # Errors
    /// It is not registered, or was forgotten: it has to register again. The store failed.
    pub async fn worker_is_alive(&self, caller: &Caller, worker: WorkerId) -> Result<()> {
        if self.queue.seen(&caller.channel, worker).await? {
            Ok(())
        } else {
            Err(Error::NoWorkerId)
        }
    }

    /// Waits for a job, at most for `patience`; without one, until there is a job.
    ///
    /// # Errors
    /// A kind is asked for that workers do not get; the worker is not registered; the store failed.
    pub async fn next_job(
        &self,
        caller: &Caller,
        request: &JobRequest,
        patience: Option<Duration>,
    ) -> Result<Option<WorkerJob>> {
        let kinds = request
            .kinds
            .iter()
            .map(|kind| asked_kind(kind, &request.arch));
        let kinds = kinds.collect::<Result<_>>()?;
        if let Some(worker) = request.worker {
            self.worker_is_alive(caller, worker).await?;
        }
        let claim = Claim {
            kinds,
            channels: Channels::These(vec![caller.channel.clone()]),
            worker: request.worker,
        };
        let Dequeue::Job(job) = self.queue.dequeue(&claim, patience).await? else {
            return Ok(None);
        };
        self.changed(job.id);
        info!(job = %job.id, kind = job.kind, "a worker takes the job");
        Ok(Some(WorkerJob {
            id: job.id,
            token: job.token,
            kind: job.kind.split(':').next().unwrap_or_default().to_owned(),
            args: job.args,
            dynamic_args: job.results,
        }))
    }

    /// Notes that a worker is alive, and says whether its job was canceled.
    ///
    /// # Errors
    /// No job runs under the token; the store failed.
    pub async fn is_canceled(&self, caller: &Caller, token: Token) -> Result<bool> {
        self.check_channel(caller, token).await?;
        match self.queue.heartbeat(token).await? {
            Lease::Held(_) => Ok(false),
            Lease::Canceled(_) => Ok(true),
            Lease::Lost => Err(Error::NoToken),
        }
    }

    /// Keeps a partial result.
    ///
    /// # Errors
    /// The worker does not have the job any longer; the store failed.
    pub async fn job_progress(&self, caller: &Caller, token: Token, partial: &Value) -> Result<()> {
        self.check_channel(caller, token).await?;
        let job = held(self.queue.progress(token, partial).await?)?;
        self.changed(job);
        Ok(())
    }

    /// Keeps the result of a job, and the files that came with it.
    ///
    /// # Errors
    /// The worker does not have the job any longer; files cannot be moved; the store failed.
    pub async fn finish_job(&self, caller: &Caller, token: Token, result: &Value) -> Result<()> {
        self.check_channel(caller, token).await?;
        // The sign of life keeps others from the job while its files get their name. A reader of the result finds them there.
        let job = held(self.queue.heartbeat(token).await?)?;
        self.artefacts.publish(token, job).await?;
        held(self.queue.finish(token, result).await?)?;
        self.ended(job, result).await;
        Ok(())
    }

    /// Tells who listens that a job ended, counts it, and notes it in the log.
    pub(super) async fn ended(&self, job: JobId, result: &Value) {
        self.changed(job);
        // The result is kept: that its kind cannot be read now is no reason to say otherwise.
        let kind = self.store().kind(job).await.ok().flatten();
        let kind = kind.unwrap_or_default();
        let outcome = Outcome::of(result);
        self.metrics.ended(&kind, outcome);
        info!(%job, kind, "the job ended: {outcome}");
    }

    /// A file that a worker sends, to be written.
    ///
    /// # Errors
    /// The worker does not have the job any longer; the file cannot be made; the store failed.
    pub async fn new_artefact(
        &self,
        caller: &Caller,
        token: Token,
        name: &str,
    ) -> Result<NewArtefact> {
        self.check_channel(caller, token).await?;
        held(self.queue.heartbeat(token).await?)?;
        self.artefacts.create(token, name).await
    }

    /// A token of another tenant's job is as good as none. A job never changes hands between tenants.
    async fn check_channel(&self, caller: &Caller, token: Token) -> Result<()> {
        match self.store().channel(token).await? {
            Some(channel) if channel == caller.channel => Ok(()),
            _ => Err(Error::NoToken),
        }
    }

    /// Removes files that belong to nothing: a process that was killed may have left some. To be done before workers are heard.
    ///
    /// # Errors
    /// The store failed; files cannot be removed.
    pub async fn sweep(&self) -> Result<()> {
        let (runs, jobs) = self.artefacts.kept().await?;
        self.discard_runs(runs).await?;
        for job in jobs {
            if self.store().job(job).await?.is_none() {
                self.artefacts.remove(job).await?;
            }
        }
        Ok(())
    }

    /// Removes what runs have sent that nobody has any longer: their jobs were canceled, deleted or given to others.
    async fn discard_runs(&self, runs: Vec<Token>) -> Result<()> {
        for token in runs {
            if !matches!(self.store().lease(token).await?, Lease::Held(_)) {
                self.artefacts.discard(token).await?;
            }
        }
        Ok(())
    }

    /// Takes jobs from silent workers, and what these and others left. To be done every half minute.
    ///
    /// # Errors
    /// The store failed; files cannot be removed.
    pub async fn reconcile(&self) -> Result<Expired> {
        let expired = self.queue.reconcile().await?;
        self.metrics.requeued(expired.requeued.len());
        for (job, _) in &expired.requeued {
            warn!(%job, "the job goes back to the queue: its worker is silent");
        }
        for (job, _) in &expired.failed {
            warn!(%job, "the job failed: its workers fell silent too often");
            let kind = self.store().kind(*job).await?.unwrap_or_default();
            self.metrics.ended(&kind, Outcome::ServiceError);
        }
        for (job, token) in expired.requeued.iter().chain(&expired.failed) {
            self.changed(*job);
            self.artefacts.discard(*token).await?;
        }
        let (runs, _) = self.artefacts.kept().await?;
        self.discard_runs(runs).await?;
        Ok(expired)
    }
}

fn held(lease: Lease) -> Result<JobId> {
    match lease {
        Lease::Held(job) => Ok(job),
        Lease::Canceled(_) => Err(Error::Canceled),
        Lease::Lost => Err(Error::NoToken),
    }
}

/// The kind of job in the queue that a worker asks for. What the composer does itself is for no worker.
fn asked_kind(kind: &str, arch: &str) -> Result<String> {
    match kind {
        kind::BUILD => Ok(build_job(arch)),
        kind if kind::LOOKUPS.contains(&kind) => Ok(kind.to_owned()),
        kind => Err(Error::JobKind(kind.to_owned())),
    }
}

/// The kind of job that builds for an architecture.
pub(super) fn build_job(arch: &str) -> String {
    format!("{}:{arch}", kind::BUILD)
}
