//! Why no manifest could be made.
use thiserror::Error;

/// What a request asks for and an image type cannot give.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum GeneratorError {
    /// A value of the blueprint or of the options, with what is wrong.
    #[error("{0}")]
    Request(String),
    /// No partition table can be made of what is asked for.
    #[error("error generating partition table: {0}")]
    PartitionTable(String),
    /// Content that was asked for is not among what was resolved.
    #[error("pipeline {pipeline}: {missing} is not among the resolved content")]
    Unresolved {
        /// Pipeline that needs it.
        pipeline: String,
        /// What it is: a package, a container, a commit.
        missing: String,
    },
}
