//! Test a stage for `osbuild-wasm`: a tree before, the arguments, the tree after.
//!
//! A case is a JSON file ([`Case`] says what it holds). A test of a plugin is then two lines:
//!
//! ```no_run
//! #[test]
//! fn every_case_gives_what_it_says() {
//!     let plugin = osbuild_stage_test::Plugin::build(env!("CARGO_MANIFEST_DIR")).unwrap();
//!     osbuild_stage_test::assert_cases("cases", &plugin);
//! }
//! ```
//!
//! The stage always runs in its sandbox: [`Plugin`] asks the program `osbuild-wasm` for that.
#![forbid(unsafe_code)]

mod case;
mod program;
pub mod tree;

pub use case::{Case, CaseError, Expect, Input, cases};
pub use program::Plugin;

use serde_json::Value;
use std::path::Path;

/// How a run of a stage ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Exit status; 0 is success.
    pub status: i32,
    /// What it said, and what the runtime said about it.
    pub log: String,
    /// Why the runtime ended it (a crash, a limit), where who ran it knows that.
    pub stopped: Option<String>,
}

/// Something that runs a stage in its sandbox.
pub trait Stage {
    /// Runs module `name` (none: the only one there is) on the directory `tree` with this arguments document.
    fn run(&self, name: Option<&str>, tree: &Path, arguments: &Value) -> Result<Ended, CaseError>;
}

/// Runs every case in `directory` and panics with all that is wrong; also when there is no case.
#[track_caller]
pub fn assert_cases(directory: impl AsRef<Path>, stage: &impl Stage) {
    let directory = directory.as_ref();
    let cases = cases(directory).unwrap_or_else(|error| panic!("{error}"));
    assert!(!cases.is_empty(), "{}: no case", directory.display());
    let failed: Vec<_> = cases
        .iter()
        .filter_map(|case| {
            let problems = match case.problems(stage) {
                Ok(problems) => problems,
                Err(error) => vec![error.to_string()],
            };
            (!problems.is_empty()).then(|| format!("{}: {}", case.name, problems.join("; ")))
        })
        .collect();
    assert!(
        failed.is_empty(),
        "failed cases: {} of {}\n{}",
        failed.len(),
        cases.len(),
        failed.join("\n")
    );
}
