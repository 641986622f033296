//! `osbuild-wasm resolve`: how workers have content looked up.
use crate::command_error::{Exit, Result};
use crate::commands::Command;
use crate::commands::packages::{Log, metadata_cache};
use crate::document::read_named;
use crate::image::{Lookups, lookups_of_job};
use crate::policy_file::PolicyFile;
use crate::print::say_json;
use crate::style::Style;
use clap::Args;
use clap::builder::PossibleValuesParser;
use osbuild_wasm_files::LARGEST_DOCUMENT;
use osbuild_wasm_resolve::jobs::{Question, failed};
use osbuild_wasm_resolve::{Resolver, Settings};
use osbuild_wasm_source::Environment;
use osbuild_wasm_tasks::{Failure, JobError, kind};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

const EXAMPLES: &str = "\
Examples:
  # Which commit is this ref?
  echo '{\"ostree_resolve_specs\": [{\"url\": \"http://localhost:8000/repo\", \"ref\": \"demo/1\"}]}' | osbuild-wasm resolve ostree-resolve

Standard input has the arguments of the job, standard output gets its result, both JSON as osbuild-composer's workers have
them. A result is written even where something was not found: its `job_error` has a number, a reason and details.

Exit status: 0 found, 1 the result tells of an error, 2 the command line is wrong.";

/// Look content up as a job of a composer: packages, containers, commits, files
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ResolveArguments {
    /// Kind of job
    #[arg(value_name = "KIND", value_parser = PossibleValuesParser::new(kind::LOOKUPS))]
    kind: String,
    /// Directory that keeps metadata of repositories
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Policy that says whom sources may ask; nobody else is asked
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
}

impl Command for ResolveArguments {
    fn style(&self) -> Style {
        Style::own(true)
    }

    fn run(self) -> Result {
        let cache = metadata_cache(self.cache.as_deref())?;
        let policy = self.policy.as_deref().map(PolicyFile::read).transpose()?;
        let args = read_named(Path::new("-"), LARGEST_DOCUMENT)?;
        let result = match question(&self.kind, &args) {
            Ok(question) => answer(&question, &cache, policy.as_ref())?,
            Err(error) => failed(&error),
        };
        say_json(&crate::format::json(&result));
        Ok(match JobError::of_result(&result) {
            None => Exit::Done,
            Some(_) => Exit::Failed,
        })
    }
}

fn question(kind: &str, args: &[u8]) -> std::result::Result<Question, JobError> {
    let args: Value = serde_json::from_slice(args).map_err(|error| {
        let reason = "the arguments are no JSON";
        JobError::with(Failure::ParsingArgs, reason, error.to_string().into())
    })?;
    Question::read(kind, &args)
}

/// The result of the job. That the policy denies something is one as well.
fn answer(question: &Question, cache: &Path, policy: Option<&PolicyFile>) -> Result<Value> {
    let lookups = lookups_of_job(question).and_then(|lookups| Lookups::judge(&lookups, policy));
    let lookups = match lookups {
        Ok(lookups) => lookups,
        Err(error) => {
            let error = JobError::new(question.failure(), error.in_one_line());
            return Ok(failed(&error));
        }
    };
    // Who cancels the job ends the program, and the cache does not mind.
    let (environment, cancel) = (Environment::of_process(), AtomicBool::new(false));
    let allowance = |source: &'static str| lookups.allowance(source);
    let resolver = Resolver::new(Settings {
        cache,
        solver: None,
        environment: &environment,
        allowance: &allowance,
        observer: &Log,
        cancel: &cancel,
    })?;
    Ok(question.answer(&resolver))
}
