//! What one stage may use up. One object counts for all that works for it: the component, calls that the host carries out, the
//! programs that helpers run, and the reader of their output.
use crate::ErrorCode;
use crate::bindings::types::Error;
use crate::failure::Stopped;
use osbuild_wasm_capability::Limits;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// The limits of one stage, and what is left of them.
#[derive(Debug)]
pub struct StageQuota {
    limits: Limits,
    bytes: AtomicU64,
    inodes: AtomicU64,
    log: AtomicU64,
    /// Messages of the limits that were reached.
    reached: Mutex<BTreeSet<String>>,
    /// Why everything that works for the stage has to end.
    stopped: Mutex<Option<Stopped>>,
}

impl StageQuota {
    /// Nothing is used up yet.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            bytes: limits.written_bytes.into(),
            inodes: limits.created_inodes.into(),
            log: limits.output.into(),
            reached: Mutex::default(),
            stopped: Mutex::default(),
        }
    }

    /// The limits themselves.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Ends all work for the stage; the first reason counts.
    pub fn stop(&self, why: Stopped) {
        lock(&self.stopped).get_or_insert(why);
    }

    /// Why the stage was stopped, if it was.
    pub fn stopped(&self) -> Option<Stopped> {
        lock(&self.stopped).clone()
    }

    /// Takes bytes of log before they are kept or passed on. Errors: there are not so many left, which stops the stage.
    pub fn take_log(&self, bytes: u64) -> Result<(), Stopped> {
        if take(&self.log, bytes) {
            return Ok(());
        }
        let stopped = Stopped::Output(self.limits.output);
        self.stop(stopped.clone());
        Err(stopped)
    }

    /// Takes bytes that are about to be written to `path`. Errors: `no-space`, or `interrupted` when the stage was stopped.
    pub fn take_bytes(&self, path: &str, bytes: u64) -> Result<(), Error> {
        self.go_on(path)?;
        take(&self.bytes, bytes)
            .then_some(())
            .ok_or_else(|| self.spent(path, "bytes"))
    }

    /// Takes one inode that is about to be made at `path`. Errors: those of [`StageQuota::take_bytes`].
    pub fn take_inode(&self, path: &str) -> Result<(), Error> {
        self.go_on(path)?;
        take(&self.inodes, 1)
            .then_some(())
            .ok_or_else(|| self.spent(path, "inodes"))
    }

    /// Gives back an inode that was taken and not made.
    pub(crate) fn return_inode(&self) {
        self.inodes.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes what programs wrote already. Errors: it was more than there was, which stops the stage.
    pub fn take_written(&self, bytes: u64, inodes: u64) -> Result<(), Stopped> {
        let stopped = match (take(&self.bytes, bytes), take(&self.inodes, inodes)) {
            (true, true) => return Ok(()),
            (false, _) => Stopped::Written(self.limits.written_bytes, "bytes"),
            (true, false) => Stopped::Written(self.limits.created_inodes, "inodes"),
        };
        self.stop(stopped.clone());
        Err(stopped)
    }

    /// What may still be written: bytes and inodes.
    pub fn left(&self) -> (u64, u64) {
        let left = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (left(&self.bytes), left(&self.inodes))
    }

    /// The limits that were reached, as messages.
    pub fn reached(&self) -> Vec<String> {
        lock(&self.reached).iter().cloned().collect()
    }

    /// Refuses once the stage was stopped: what the host does for it ends at the next piece of work.
    pub(crate) fn go_on(&self, path: &str) -> Result<(), Error> {
        match self.stopped() {
            None => Ok(()),
            Some(stopped) => Err(Error {
                code: ErrorCode::Interrupted,
                path: path.to_owned(),
                detail: stopped.to_string(),
            }),
        }
    }

    /// An error for an answer that would be larger than all memory of the component.
    pub(crate) fn too_large(&self, path: &str) -> Error {
        let memory = self.limits.memory;
        let detail = format!("the answer is larger than the stage's {memory} bytes of memory");
        lock(&self.reached).insert(detail.clone());
        Error {
            code: ErrorCode::NoSpace,
            path: path.to_owned(),
            detail,
        }
    }

    fn spent(&self, path: &str, what: &str) -> Error {
        let detail = format!("the stage's limit of written {what} is used up");
        lock(&self.reached).insert(detail.clone());
        Error {
            code: ErrorCode::NoSpace,
            path: path.to_owned(),
            detail,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn take(left: &AtomicU64, amount: u64) -> bool {
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
        left.checked_sub(amount)
    })
    .is_ok()
}
