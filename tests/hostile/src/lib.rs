//! What the hostile components share: they try everything they were told to, say what came of it, and fail when something was refused.
#![forbid(unsafe_code)]
#![allow(
    clippy::print_stdout,
    reason = "standard output of a component is its log"
)]
use osbuild_stage::{Error, Result};
use std::fmt::Display;

/// Collects what was refused.
#[derive(Debug, Default)]
pub struct Attempts {
    tried: usize,
    refused: usize,
}

impl Attempts {
    /// Prints `what: ok: DETAIL` or `what: refused: ERROR`.
    pub fn note<T: Display, E: Display>(&mut self, what: &str, result: Result<T, E>) {
        self.tried += 1;
        match result {
            Ok(detail) => println!("{what}: ok: {detail}"),
            Err(error) => {
                self.refused += 1;
                println!("{what}: refused: {error}");
            }
        }
    }

    /// An error unless everything was allowed.
    pub fn conclude(self) -> Result<()> {
        match self.refused {
            0 => Ok(()),
            refused => Err(Error::new(format!(
                "{refused} of {} attempts were refused",
                self.tried
            ))),
        }
    }
}
