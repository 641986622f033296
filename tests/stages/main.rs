//! Every stage on small trees, a trial for each case and one for its repetition: `cargo test --release --test stages -- hostname::`.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use libtest_mimic::{Arguments, Failed, Trial};
use osbuild_stage_test::tree::Snapshot;
use osbuild_stage_test::{Case, Stage};
use osbuild_wasm_tests::Scratch;
use osbuild_wasm_tests::cases::{Builtin, all};
use std::process::ExitCode;
use std::sync::Arc;

fn main() -> ExitCode {
    let trials = all().into_iter().flat_map(|(stage, case)| {
        let case = Arc::new(case);
        let name = format!("{stage}::{}", case.name);
        let again = Arc::clone(&case);
        [
            Trial::test(name.clone(), move || {
                every_case_of_a_stage_gives_what_it_says(&case)
            }),
            Trial::test(format!("{name}::again"), move || {
                a_second_run_changes_nothing_but_what_its_case_names(&again)
            }),
        ]
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

fn none(problems: &[String]) -> Result<(), Failed> {
    match problems {
        [] => Ok(()),
        problems => Err(problems.join("\n").into()),
    }
}

fn every_case_of_a_stage_gives_what_it_says(case: &Case) -> Result<(), Failed> {
    none(&case.problems(&Builtin)?)
}

/// A second run changes nothing but what the case names.
fn a_second_run_changes_nothing_but_what_its_case_names(case: &Case) -> Result<(), Failed> {
    let scratch = Scratch::new();
    let root = scratch.path("tree");
    if case.expect.invalid || case.run(&Builtin, &root)?.status != 0 {
        return Ok(());
    }
    let first = Snapshot::of(&root)?;
    // It may refuse to do its work twice, but then leaves everything as it is.
    let document = case.document(&root)?;
    Builtin.run(case.stage.as_deref(), &root, &document)?;
    let changes = Snapshot::of(&root)?.changes_since(&first);
    let undeclared = changes.iter().filter(|change| !case.allows_again(change));
    none(&undeclared.map(ToString::to_string).collect::<Vec<_>>())
}
