//! What the composer refuses, without any word of HTTP.
use super::ComposeState;
use osbuild_wasm_jobs::JobId;

/// The result of a call of the service.
pub type Result<T> = std::result::Result<T, Error>;

/// Why something was not done. Adapters say it in the words of their interface.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no blueprint of that name.
    #[error("there is no blueprint {0}")]
    NoBlueprint(String),
    /// A blueprint has no such commit.
    #[error("the blueprint {name} has no commit {commit}")]
    NoCommit {
        /// The blueprint.
        name: String,
        /// What was asked for.
        commit: String,
    },
    /// A blueprint was never committed.
    #[error("the blueprint {0} has no commits")]
    NoCommits(String),
    /// A name that cannot stand in a path.
    #[error("{0:?} is no name: it has letters, digits, `.`, `_` and `-`")]
    Name(String),
    /// A blueprint that cannot be used.
    #[error("{0}")]
    Blueprint(String),
    /// There is no such distribution for the architecture.
    #[error("{distro} is no distribution for {arch}")]
    Distro {
        /// The distribution.
        distro: String,
        /// The architecture.
        arch: String,
    },
    /// A source without something that it needs.
    #[error("{0}")]
    Source(String),
    /// A source for distributions that are not known.
    #[error("there are no distributions {}", .0.join(", "))]
    SourceDistros(Vec<String>),
    /// There is no source of that id.
    #[error("there is no source {0}")]
    NoSource(String),
    /// A source that belongs to the distribution.
    #[error("{0} is a source of the system")]
    SystemSource(String),
    /// The wish cannot be fulfilled: a package does not exist, or wishes exclude one another.
    #[error("{0}")]
    Unsolvable(String),
    /// Repositories cannot be read.
    #[error("{0}")]
    Packages(String),
    /// A package of a blueprint is not among those that were found for it.
    #[error("{0} missing from depsolve results")]
    NotFound(String),
    /// There is no such image type.
    #[error("{0}")]
    ImageType(String),
    /// The image type cannot give what is wished for.
    #[error("{0}")]
    Manifest(String),
    /// A container of a blueprint is not to be had.
    #[error("{0}")]
    Container(String),
    /// A commit is not to be had.
    #[error("{0}")]
    Commit(String),
    /// No worker builds for the architecture.
    #[error("no worker builds for {0}")]
    NoWorker(String),
    /// The tenant has as many composes as it may have.
    #[error("{0}")]
    Quota(String),
    /// There is no such job.
    #[error("there is no job {0}")]
    NoJob(JobId),
    /// There is no such compose.
    #[error("there is no compose {0}")]
    NoCompose(JobId),
    /// A compose does not stand where it would have to for what is asked.
    #[error("the compose {id} is {state}")]
    ComposeState {
        /// The compose.
        id: JobId,
        /// Where it stands.
        state: ComposeState,
    },
    /// A worker's token is of no running job: it was given to another worker, or is finished.
    #[error("no job runs under this token")]
    NoToken,
    /// A worker's job was canceled.
    #[error("the job was canceled")]
    Canceled,
    /// A kind of job that workers do not get.
    #[error("jobs of the kind {0} are not for workers")]
    JobKind(String),
    /// A worker that is not registered, or not any longer.
    #[error("the worker is not registered")]
    NoWorkerId,
    /// A file of a compose cannot be written or read.
    #[error("{what}: {cause}")]
    Artefact {
        /// What was done with which file.
        what: String,
        /// Why it failed.
        cause: std::io::Error,
    },
    /// Other clients change the same thing all the time.
    #[error("{0} is being changed by others: try again")]
    Busy(String),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] osbuild_wasm_jobs::Error),
}
