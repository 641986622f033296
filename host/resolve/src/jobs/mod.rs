//! Lookups as jobs: what a composer asks a worker for, and what it gets, in osbuild-composer's words.
//!
//! A [`Question`] is the arguments of such a job. Its answer is a document even where it failed: `job_error` says why.
mod commits;
mod containers;
mod depsolve;
mod files;
mod package;
mod search;

pub use commits::{CommitAnswer, CommitSpec, Commits, FoundCommitSpec};
pub use containers::{ContainerAnswer, ContainerSpec, Containers, FlatpakSpec};
pub use depsolve::{Depsolve, DepsolveAnswer, Sbom};
pub use files::{FileAnswer, Files, FoundFile, is_remote};
pub use package::{JobPackage, ModuleFiles};
pub use search::{Search, SearchAnswer};

use crate::error::{Kind, ResolveError};
use crate::solver::Resolver;
use osbuild_wasm_generator::content::Content;
use osbuild_wasm_tasks::{Failure, JobError, kind};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// What a job is to look up.
#[derive(Clone, Debug, PartialEq)]
pub enum Question {
    /// Packages that fulfil wishes.
    Depsolve(Depsolve),
    /// Packages by name.
    Search(Search),
    /// Images of containers.
    Containers(Containers),
    /// Commits of OSTree.
    Commits(Commits),
    /// Files of URLs.
    Files(Files),
}

impl Question {
    /// The question of a job of that kind.
    ///
    /// # Errors
    /// There is no such kind, or these are no arguments of it.
    pub fn read(kind: &str, args: &Value) -> Result<Self, JobError> {
        match kind {
            kind::DEPSOLVE => parse(args).map(Self::Depsolve),
            kind::SEARCH => parse(args).map(Self::Search),
            kind::CONTAINERS => parse(args).map(Self::Containers),
            kind::COMMITS => parse(args).map(Self::Commits),
            kind::FILES => parse(args).map(Self::Files),
            kind => Err(JobError::new(
                Failure::ParsingArgs,
                format!("jobs of the kind {kind} look nothing up"),
            )),
        }
    }

    /// The kind of job that asks it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Depsolve(_) => kind::DEPSOLVE,
            Self::Search(_) => kind::SEARCH,
            Self::Containers(_) => kind::CONTAINERS,
            Self::Commits(_) => kind::COMMITS,
            Self::Files(_) => kind::FILES,
        }
    }

    /// The arguments of the job.
    #[must_use]
    pub fn args(&self) -> Value {
        match self {
            Self::Depsolve(asked) => json!(asked),
            Self::Search(asked) => json!(asked),
            Self::Containers(asked) => json!(asked),
            Self::Commits(asked) => json!(asked),
            Self::Files(asked) => json!(asked),
        }
    }

    /// Which servers will be asked, as content that is wished for; files are those of [`Self::files`].
    #[must_use]
    pub fn content(&self) -> Content {
        match self {
            Self::Depsolve(asked) => asked.content(),
            Self::Search(asked) => asked.content(),
            Self::Containers(asked) => asked.content(),
            Self::Commits(asked) => asked.content(),
            Self::Files(_) => Content::default(),
        }
    }

    /// The URLs of files that will be fetched.
    #[must_use]
    pub fn files(&self) -> &[String] {
        match self {
            Self::Files(asked) => &asked.urls,
            _ => &[],
        }
    }

    /// How the job fails for a reason that has no number of its own.
    #[must_use]
    pub fn failure(&self) -> Failure {
        match self {
            Self::Depsolve(_) | Self::Search(_) => Failure::Solver,
            Self::Containers(_) => Failure::Container,
            Self::Commits(_) => Failure::Commit,
            Self::Files(_) => Failure::RemoteFile,
        }
    }

    /// The result of the job.
    #[must_use]
    pub fn answer(&self, resolver: &Resolver<'_>) -> Value {
        match self {
            Self::Depsolve(asked) => result(asked.answer(resolver)),
            Self::Search(asked) => result(asked.answer(resolver)),
            Self::Containers(asked) => result(asked.answer(resolver)),
            Self::Commits(asked) => result(asked.answer(resolver)),
            // Which of the files are there is told in either case.
            Self::Files(asked) => json!(asked.answer(resolver)),
        }
    }
}

/// The answer that a result is.
///
/// # Errors
/// The job failed, or its result is none of this kind.
pub fn read_answer<T: DeserializeOwned>(result: &Value) -> Result<T, JobError> {
    match JobError::of_result(result) {
        Some(error) => Err(error),
        None => T::deserialize(result).map_err(|error| {
            JobError::with(
                Failure::ParsingDynamicArgs,
                "the result of a job has not the form of its kind",
                error.to_string().into(),
            )
        }),
    }
}

fn parse<T: DeserializeOwned>(args: &Value) -> Result<T, JobError> {
    T::deserialize(args).map_err(|error| {
        JobError::with(
            Failure::ParsingArgs,
            "the arguments are none of this kind of job",
            error.to_string().into(),
        )
    })
}

fn result<T: Serialize>(answer: Result<T, JobError>) -> Value {
    match answer {
        Ok(answer) => json!(answer),
        Err(error) => failed(&error),
    }
}

/// The result of a job that failed.
#[must_use]
pub fn failed(error: &JobError) -> Value {
    json!({ "job_error": error.to_value() })
}

/// Why packages were not found.
fn of_packages(error: &ResolveError) -> JobError {
    let failure = match error.kind {
        Kind::Missing => Failure::Marking,
        Kind::Conflict => Failure::Depsolve,
        Kind::Repository => Failure::Repository,
        Kind::Cache | Kind::Solver | Kind::Content => Failure::Solver,
    };
    JobError::new(failure, error.to_string())
}

/// Every repository has an address, or nothing can be asked.
fn check_addresses<'a>(
    repositories: impl IntoIterator<Item = &'a osbuild_wasm_generator::content::Repository>,
) -> Result<(), JobError> {
    for repository in repositories {
        let lists = [&repository.metalink, &repository.mirrorlist];
        let lists = lists.into_iter().filter(|url| !url.is_empty());
        let mut urls = lists.chain(&repository.baseurls).peekable();
        let name = &repository.with_id().name;
        if urls.peek().is_none() {
            let reason = format!("the repository {name:?} has no address");
            return Err(JobError::new(Failure::RepositoryUrl, reason));
        }
        for url in urls {
            if let Err(problem) = osbuild_wasm_manifest::location::Location::parse(url) {
                let reason = format!("the repository {name:?}: {problem}");
                return Err(JobError::new(Failure::RepositoryUrl, reason));
            }
        }
    }
    Ok(())
}
