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
    finish(Document::read().and_then(Document::typed).and_then(stage))
}

/// The same for a stage whose options become lines of a file: a text with a line end would write lines of its own, which whoever reads
/// the file takes for settings or commands. So texts with control characters are refused, except in the options named in `scripts`,
/// which are scripts of several lines by their meaning.
pub fn run_with_lines<O: DeserializeOwned>(
    scripts: &[&str],
    stage: impl FnOnce(Arguments<O>) -> Result<()>,
) -> ExitCode {
    let document = Document::read().and_then(|document| document.of_lines(scripts));
    finish(document.and_then(Document::typed).and_then(stage))
}

fn finish(result: Result<()>) -> ExitCode {
    match result {
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
