//! How many bytes a source may still receive.

use super::failure::Failure;
use crate::allowance::exceeded;
use std::cell::Cell;

/// What all transfers of a source share.
#[derive(Debug)]
pub(super) struct Budget {
    all: u64,
    left: Cell<u64>,
}

impl Budget {
    pub(super) fn new(bytes: u64) -> Self {
        Self {
            all: bytes,
            left: Cell::new(bytes),
        }
    }

    /// Whether so much could be taken; what a server announces is not received for nothing.
    pub(super) fn check(&self, bytes: u64) -> Result<(), Failure> {
        if bytes <= self.left.get() {
            return Ok(());
        }
        Err(Failure::Lasting(exceeded(self.all)))
    }

    /// Takes bytes; no repetition helps when there are not so many.
    pub(super) fn take(&self, bytes: u64) -> Result<(), Failure> {
        self.check(bytes)?;
        self.left.set(self.left.get() - bytes);
        Ok(())
    }
}
