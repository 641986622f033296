//! What an administrator sees and does: everybody's jobs and composes.
use super::{Caller, ComposeEntry, ComposeLine, Error, Result, Service};
use osbuild_wasm_jobs::{Count, Job, JobId, ListedJob, Part, Worker};

/// How the service stands.
#[derive(Clone, Debug)]
pub struct Overview {
    /// How many jobs wait and run.
    pub jobs: Vec<Count>,
    /// The workers.
    pub workers: Vec<Worker>,
    /// The size of the files of composes.
    pub bytes: u64,
}

impl Service {
    /// How the service stands.
    ///
    /// # Errors
    /// The store failed; files cannot be read.
    pub async fn overview(&self) -> Result<Overview> {
        let mut bytes = 0;
        for caller in self.tenants().await? {
            bytes += self.stored_bytes(&caller).await?;
        }
        Ok(Overview {
            jobs: self.store().counts().await?,
            workers: self.store().workers().await?,
            bytes,
        })
    }

    /// The jobs that are not over, the oldest first.
    ///
    /// # Errors
    /// The store failed.
    pub async fn open_jobs(&self) -> Result<Vec<ListedJob>> {
        Ok(self.store().open_jobs().await?)
    }

    /// A job.
    ///
    /// # Errors
    /// There is none of that id; the store failed.
    pub async fn job(&self, id: JobId) -> Result<Job> {
        self.store().job(id).await?.ok_or(Error::NoJob(id))
    }

    /// Cancels a job and what hangs on it. Answers with the jobs that were not over until now.
    ///
    /// # Errors
    /// There is none of that id; the store failed.
    pub async fn cancel_job(&self, id: JobId) -> Result<Vec<JobId>> {
        self.job(id).await?;
        Ok(self.queue.cancel(id).await?)
    }

    /// The composes of all tenants with the names of their channels, the newest of each first.
    ///
    /// # Errors
    /// The store failed.
    pub async fn all_composes(&self) -> Result<Vec<(String, ComposeLine)>> {
        let all = Part {
            unfinished: false,
            offset: 0,
            limit: i32::MAX.unsigned_abs(),
        };
        let mut composes = Vec::new();
        for caller in self.tenants().await? {
            let (lines, _) = self.list_composes(&caller, all).await?;
            composes.extend(lines.into_iter().map(|line| (caller.channel.clone(), line)));
        }
        Ok(composes)
    }

    /// A compose of any tenant, with who may do something with it.
    ///
    /// # Errors
    /// There is none of that id; the store failed.
    pub async fn anyones_compose(&self, id: JobId) -> Result<(Caller, ComposeEntry)> {
        for caller in self.tenants().await? {
            match self.compose(&caller, id).await {
                Ok(compose) => return Ok((caller, compose)),
                Err(Error::NoCompose(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::NoCompose(id))
    }

    /// Everybody who has composes.
    pub(super) async fn tenants(&self) -> Result<Vec<Caller>> {
        let channels = self.store().channels().await?.into_iter();
        let caller = |channel| Caller {
            channel,
            ..Caller::local()
        };
        Ok(channels.map(caller).collect())
    }
}
