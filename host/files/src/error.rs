//! What can go wrong, each with the path it happened at.

use std::io;
use std::path::{Path, PathBuf};

/// An error about a tree. The first line says what was tried where; the cause is its source.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FilesError {
    /// A system call failed.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb that a path follows.
        action: &'static str,
        /// Where it was tried.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A copy would have to replace a directory by something else, or the other way round.
    #[error("cannot copy onto {}: {problem}", path.display())]
    Conflict {
        /// The path at the destination.
        path: PathBuf,
        /// What is in the way.
        problem: &'static str,
    },
}

impl FilesError {
    /// What the system said, if it said something.
    pub fn io(&self) -> Option<&io::Error> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Conflict { .. } => None,
        }
    }

    /// True when the disk or a quota is full, so that a caller can say so in one word.
    pub fn is_out_of_space(&self) -> bool {
        self.io().is_some_and(|source| {
            matches!(
                source.kind(),
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
            )
        })
    }
}

/// Attaches what was tried and where to a failed system call.
pub trait At<T> {
    /// `action` reads as "cannot ACTION PATH".
    fn at(self, action: &'static str, path: &Path) -> Result<T, FilesError>;
}

impl<T, E: Into<io::Error>> At<T> for Result<T, E> {
    fn at(self, action: &'static str, path: &Path) -> Result<T, FilesError> {
        self.map_err(|error| FilesError::Io {
            action,
            path: path.to_owned(),
            source: error.into(),
        })
    }
}
