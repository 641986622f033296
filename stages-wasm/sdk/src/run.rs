//! From `main` to the stage's function and back.
#![allow(
    clippy::print_stderr,
    reason = "standard error of a component is its log"
)]
use crate::arguments::{Arguments, Document};
use crate::{Error, Result, report};
use serde::de::DeserializeOwned;
use std::process::ExitCode;

/// Reads the arguments, runs the stage and turns its result into an exit status.
///
/// An error is printed to the log with its causes, published through `report`, and its status ([`Error::with_status`], otherwise 1)
/// becomes the exit status.
pub fn run<O: DeserializeOwned>(stage: impl FnOnce(Arguments<O>) -> Result<()>) -> ExitCode {
    match Document::read().and_then(Document::typed).and_then(stage) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let details = causes(&error);
            eprint!("error: {error}\n{details}");
            report::failure(error.kind(), &error.to_string(), &details);
            ExitCode::from(error.status())
        }
    }
}

/// One line per cause.
fn causes(error: &Error) -> String {
    std::iter::successors(error.cause(), |error| error.cause())
        .map(|cause| format!("  caused by: {cause}\n"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_a_line() {
        let error = Error::new("a").context("b").context("c");
        assert_eq!(causes(&error), "  caused by: b\n  caused by: a\n");
    }
}
