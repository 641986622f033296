//! What composers and workers have to agree on: the kinds of jobs, and the numbers by which these tell why they failed.
//!
//! Both are osbuild-composer's. The result of a job is an object; one that failed has a [`JobError`] under `job_error`.
#![forbid(unsafe_code)]

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Kinds of jobs.
pub mod kind {
    /// Chooses packages.
    pub const DEPSOLVE: &str = "depsolve";
    /// Finds packages by their names.
    pub const SEARCH: &str = "search-packages";
    /// Finds images of containers.
    pub const CONTAINERS: &str = "container-resolve";
    /// Finds commits of OSTree.
    pub const COMMITS: &str = "ostree-resolve";
    /// Fetches files that a blueprint names by URLs.
    pub const FILES: &str = "file-resolve";
    /// Makes a manifest of what the others found. The composer does it itself.
    pub const MANIFEST: &str = "manifest-id-only";
    /// Builds an image. In the queue the architecture follows: `osbuild:x86_64`.
    pub const BUILD: &str = "osbuild";
    /// The kinds that look content up.
    pub const LOOKUPS: [&str; 5] = [DEPSOLVE, SEARCH, CONTAINERS, COMMITS, FILES];
}

/// Why a job failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Failure {
    /// The results that a job should read are not there.
    NoDynamicArgs = 1,
    /// A target names nothing to export.
    InvalidTargetConfig = 2,
    /// A target of a kind that the worker does not know.
    InvalidTarget = 4,
    /// Packages could not be chosen.
    DepsolveDependency = 5,
    /// The results that a job should read are none of theirs.
    ParsingDynamicArgs = 7,
    /// The manifest could not be made.
    ManifestGeneration = 8,
    /// There is no manifest because something before it failed.
    ManifestDependency = 9,
    /// The build failed.
    Build = 10,
    /// The image could not be sent.
    Upload = 11,
    /// A build without a manifest.
    EmptyManifest = 19,
    /// Packages exclude one another.
    Depsolve = 20,
    /// A package does not exist.
    Marking = 21,
    /// Packages could not be chosen for another reason.
    Solver = 22,
    /// No packages were chosen.
    EmptyPackageSpecs = 24,
    /// A repository cannot be read.
    Repository = 25,
    /// Workers fell silent too often.
    Heartbeat = 27,
    /// An image went not to all of its targets.
    Target = 28,
    /// The arguments of a job are none of its kind.
    ParsingArgs = 29,
    /// A container is not to be had.
    Container = 30,
    /// A container that the manifest needs is not to be had.
    ContainerDependency = 31,
    /// A ref that no repository of OSTree can have.
    InvalidRef = 32,
    /// A commit is not to be had.
    Commit = 33,
    /// A commit without the address of its repository.
    CommitParameters = 34,
    /// A commit that the manifest needs is not to be had.
    CommitDependency = 35,
    /// A file of a URL is not to be had.
    RemoteFile = 36,
    /// The program that did the job broke.
    Panicked = 37,
    /// A repository has an address that is none.
    RepositoryUrl = 39,
}

impl Failure {
    /// Its number.
    #[must_use]
    pub fn id(self) -> u32 {
        self as u32
    }
}

/// Whether a failure is to be mended by who asked, and not by who runs the service: the class of its number.
#[must_use]
pub fn is_users(id: u32) -> bool {
    matches!(id, 1..=5 | 9 | 19..=21 | 24 | 26 | 28 | 30 | 35)
}

/// Why a job failed, as its result tells it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobError {
    /// The number, see [`Failure`].
    pub id: u32,
    /// One line for people.
    #[serde(default)]
    pub reason: String,
    /// More of it; the errors of the jobs that it waited for where these failed.
    #[serde(default)]
    pub details: Value,
}

impl JobError {
    /// An error without details.
    pub fn new(failure: Failure, reason: impl Into<String>) -> Self {
        Self::with(failure, reason, Value::Null)
    }

    /// An error with details.
    pub fn with(failure: Failure, reason: impl Into<String>, details: Value) -> Self {
        Self {
            id: failure.id(),
            reason: reason.into(),
            details,
        }
    }

    /// The error of a result, if it tells of one. A job that was canceled has no result, which is one as well.
    #[must_use]
    pub fn of_result(result: &Value) -> Option<Self> {
        if result.is_null() {
            return Some(Self::new(
                Failure::NoDynamicArgs,
                "the job was canceled before it was done",
            ));
        }
        let error = result.get("job_error").filter(|error| !error.is_null())?;
        // What is no error of the form is still no success.
        Some(Self::deserialize(error).unwrap_or_else(|_| {
            Self::with(
                Failure::ParsingDynamicArgs,
                "the job tells of an error in an unknown form",
                error.clone(),
            )
        }))
    }

    /// As part of a result.
    #[must_use]
    pub fn to_value(&self) -> Value {
        serde_json::json!({ "id": self.id, "reason": self.reason, "details": self.details })
    }
}

#[cfg(test)]
mod tests {
    use super::{Failure, JobError};
    use serde_json::{Value, json};

    #[test]
    fn a_result_tells_whether_it_is_an_error() {
        assert_eq!(JobError::of_result(&json!({ "success": true })), None);
        assert_eq!(JobError::of_result(&json!({ "job_error": null })), None);
        let error = JobError::new(Failure::Depsolve, "no");
        let result = json!({ "job_error": error.to_value() });
        assert_eq!(JobError::of_result(&result), Some(error));
        assert_eq!(JobError::of_result(&Value::Null).unwrap().id, 1);
        assert_eq!(
            JobError::of_result(&json!({ "job_error": "x" }))
                .unwrap()
                .id,
            7
        );
    }
}
