//! Limits of what one run writes.
use super::Result;
use crate::ErrorCode;
use crate::bindings::types::Error;
use osbuild_wasm_capability::Limits;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// What may still be written.
#[derive(Debug)]
pub(crate) struct Quota {
    bytes: AtomicU64,
    inodes: AtomicU64,
    /// Messages of the limits that were reached.
    reached: Mutex<BTreeSet<String>>,
}

impl Quota {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            bytes: limits.written_bytes.into(),
            inodes: limits.created_inodes.into(),
            reached: Mutex::default(),
        }
    }

    pub(crate) fn take_inode(&self, path: &str) -> Result<()> {
        take(&self.inodes, 1)
            .then_some(())
            .ok_or_else(|| self.spent(path, "inodes"))
    }

    pub(crate) fn take_bytes(&self, path: &str, bytes: u64) -> Result<()> {
        take(&self.bytes, bytes)
            .then_some(())
            .ok_or_else(|| self.spent(path, "bytes"))
    }

    /// The limits that were reached, as messages.
    pub(crate) fn reached(&self) -> Vec<String> {
        let reached = self.reached.lock().unwrap_or_else(PoisonError::into_inner);
        reached.iter().cloned().collect()
    }

    fn spent(&self, path: &str, what: &str) -> Error {
        let detail = format!("the stage's limit of written {what} is used up");
        let mut reached = self.reached.lock().unwrap_or_else(PoisonError::into_inner);
        reached.insert(detail.clone());
        Error {
            code: ErrorCode::NoSpace,
            path: path.to_owned(),
            detail,
        }
    }
}

fn take(left: &AtomicU64, amount: u64) -> bool {
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
        left.checked_sub(amount)
    })
    .is_ok()
}
