//! What can go wrong in a store.
use crate::model::JobId;

/// The result of a call of a store.
pub type Result<T> = std::result::Result<T, Error>;

/// A failed call. "Not found" is no failure: such calls answer with `None`.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database's URL has a scheme that is none of ours.
    #[error("a database is sqlite:PATH or postgresql://USER@HOST/DATABASE")]
    Scheme,
    /// The database cannot be opened or brought to this version.
    #[error("cannot open the database: {0}")]
    Open(String),
    /// A later version of the program has changed the tables.
    #[error("the database was used by a newer version of osbuild-wasm-composer: use that version")]
    Newer,
    /// A new job names a job that is not there, or that the same batch adds later.
    #[error("job {job} needs job {needs}, which is not in the queue")]
    NoDependency {
        /// The new job.
        job: JobId,
        /// What it names.
        needs: JobId,
    },
    /// A job that is pending or running cannot be deleted.
    #[error("job {0} is not finished: cancel it first")]
    NotFinished(JobId),
    /// A job whose result others read cannot be deleted.
    #[error("job {0} is needed by other jobs")]
    Needed(JobId),
    /// Another client changed a document between reading and writing.
    #[error("{kind} {name} was changed by another client meanwhile: read it again")]
    Changed {
        /// The kind of document.
        kind: String,
        /// Its name.
        name: String,
    },
    /// A stored value is not what the program writes.
    #[error("the database holds a damaged {0}")]
    Damaged(&'static str),
    /// The database failed, or cannot be reached at present.
    #[error("the database failed")]
    Database(#[source] Box<sqlx::Error>),
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(Box::new(error))
    }
}
