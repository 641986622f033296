//! How long composes are kept, and how many a tenant may have.
//!
//! A compose goes as a whole, with its files, as if its owner had deleted it; one that is not over stays. Number and bytes are those
//! of each tenant: nobody's composes go because another one has many.
use super::{Caller, Error, Result, Service};
use jiff::{SignedDuration, Timestamp};
use osbuild_wasm_jobs::{FinishedCompose, JobId};
use std::fmt;
use tokio::sync::OwnedMutexGuard;
use tracing::info;

/// How long composes are kept. Without any limit, until somebody deletes them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// A compose that has been over for longer goes.
    pub age: Option<SignedDuration>,
    /// A tenant keeps so many composes that are over, the latest.
    pub composes: Option<u64>,
    /// The files of a tenant's composes have at most so many bytes; the latest are kept.
    pub bytes: Option<u64>,
}

/// How many composes a tenant may have. Without a limit, any number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// So many that are not over.
    pub queued: Option<u64>,
    /// So many that were accepted in the last [`Quota::window`], those that were deleted not counted.
    pub composes: Option<u64>,
    /// The time in which composes count.
    pub window: SignedDuration,
    /// So many bytes in the files of composes; no compose is accepted when they are reached.
    pub bytes: Option<u64>,
}

/// Why a compose goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It has been over for too long.
    Age,
    /// There are too many later ones.
    Number,
    /// It and the later ones are too large.
    Bytes,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Age => "age",
            Self::Number => "number",
            Self::Bytes => "bytes",
        })
    }
}

/// A compose that goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retired {
    /// Its id.
    pub id: JobId,
    /// Whose it was.
    pub channel: String,
    /// When it was over.
    pub finished: Timestamp,
    /// The size of its files.
    pub bytes: u64,
    /// Why it goes.
    pub reason: Reason,
}

impl Service {
    /// The same with a quota for each tenant.
    #[must_use]
    pub fn with_quota(mut self, quota: Quota) -> Self {
        self.quota = quota;
        self
    }

    /// Deletes composes that need not be kept; in a rehearsal it only says which these are. Any process may do it at any time.
    ///
    /// # Errors
    /// The store failed; files cannot be removed.
    pub async fn retire(&self, retention: &Retention, rehearsal: bool) -> Result<Vec<Retired>> {
        let mut gone = Vec::new();
        if *retention == Retention::default() {
            return Ok(gone);
        }
        for caller in self.tenants().await? {
            for retired in self.too_many(&caller, retention).await? {
                if !rehearsal && !self.retire_one(&caller, &retired).await? {
                    continue;
                }
                gone.push(retired);
            }
        }
        Ok(gone)
    }

    /// Whether it was there to be deleted: another process may have been faster.
    async fn retire_one(&self, caller: &Caller, retired: &Retired) -> Result<bool> {
        match self.delete_compose(caller, retired.id).await {
            Ok(()) => {}
            Err(Error::NoCompose(_)) => return Ok(false),
            Err(error) => return Err(error),
        }
        self.metrics.retired(retired.bytes);
        info!(compose = %retired.id, bytes = retired.bytes, reason = %retired.reason, "not kept any longer");
        Ok(true)
    }

    async fn too_many(&self, caller: &Caller, retention: &Retention) -> Result<Vec<Retired>> {
        let composes = self.store().finished_composes(&caller.channel).await?;
        let oldest = retention.age.map(|age| self.clock.now() - age);
        let (mut kept, mut stored, mut gone) = (0, 0, Vec::new());
        // The latest are kept first.
        for compose in composes.into_iter().rev() {
            let bytes = self.bytes_of(&compose).await?;
            let reason = if oldest.is_some_and(|oldest| compose.finished < oldest) {
                Some(Reason::Age)
            } else if retention.composes.is_some_and(|most| kept >= most) {
                Some(Reason::Number)
            } else if retention.bytes.is_some_and(|most| stored + bytes > most) {
                Some(Reason::Bytes)
            } else {
                None
            };
            match reason {
                None => (kept, stored) = (kept + 1, stored + bytes),
                Some(reason) => gone.push(Retired {
                    id: compose.id,
                    channel: caller.channel.clone(),
                    finished: compose.finished,
                    bytes,
                    reason,
                }),
            }
        }
        gone.reverse();
        Ok(gone)
    }

    /// A place for one more compose, held until it is queued: calls that come together are not admitted together. Several composers
    /// over one database can exceed a quota by what they accept in the same moment.
    ///
    /// # Errors
    /// The quota is used up; the store failed.
    pub(super) async fn admit(&self, caller: &Caller) -> Result<OwnedMutexGuard<()>> {
        let place = self.admission.clone().lock_owned().await;
        let Quota {
            queued,
            composes,
            window,
            bytes,
        } = self.quota;
        if queued.is_none() && composes.is_none() && bytes.is_none() {
            return Ok(place);
        }
        let since = self.clock.now() - window;
        let usage = self.store().usage(&caller.channel, since).await?;
        if let Some(most) = queued.filter(|&most| usage.unfinished >= most) {
            let text = format!(
                "{most} composes wait or run, which is the most: try again when one is over"
            );
            return Err(Error::Quota(text));
        }
        if let Some(most) = composes.filter(|&most| usage.recent >= most) {
            let text =
                format!("{most} composes were started in the last {window:#}, which is the most");
            return Err(Error::Quota(text));
        }
        if let Some(most) = bytes
            && self.stored_bytes(caller).await? >= most
        {
            let text =
                format!("the files of composes have {most} bytes, which is the most: delete some");
            return Err(Error::Quota(text));
        }
        Ok(place)
    }

    /// The size of the files of a tenant's composes that are over.
    ///
    /// # Errors
    /// The store failed; files cannot be read.
    pub async fn stored_bytes(&self, caller: &Caller) -> Result<u64> {
        let mut bytes = 0;
        for compose in self.store().finished_composes(&caller.channel).await? {
            bytes += self.bytes_of(&compose).await?;
        }
        Ok(bytes)
    }

    async fn bytes_of(&self, compose: &FinishedCompose) -> Result<u64> {
        let mut bytes = 0;
        for job in &compose.roots {
            let files = self.artefacts.files(*job).await?;
            bytes += files.iter().map(|(_, size)| size).sum::<u64>();
        }
        Ok(bytes)
    }
}
