//! What can go wrong, each with the path it happened at.

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};

/// Bytes of a path in a message; of longer ones there is the end. Only what is not meant to be looked at is nested so deep.
const LONGEST: usize = 400;

/// A path as messages show it: one that is far too long begins with `…/`.
pub fn shown(path: &str) -> Cow<'_, str> {
    let Some(beyond) = path.len().checked_sub(LONGEST).filter(|beyond| *beyond > 0) else {
        return path.into();
    };
    let end = &path[path.ceil_char_boundary(beyond)..];
    let names = end.split_once('/').map_or(end, |(_, names)| names);
    format!("…/{names}").into()
}

/// An error with its causes, on one line. A cause that its effect has said already is left out.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let more = next.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = next.source();
    }
    text
}

/// An error about a tree. The first line says what was tried where; the cause is its source.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FilesError {
    /// A system call failed.
    #[error("cannot {action} {}: {source}", shown(&path.to_string_lossy()))]
    Io {
        /// What was tried, as a verb that a path follows.
        action: &'static str,
        /// Where it was tried.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A copy would have to replace a directory by something else, or the other way round.
    #[error("cannot copy onto {}: {problem}", shown(&path.to_string_lossy()))]
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

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn of_a_path_that_is_too_long_there_is_the_end() {
        assert_eq!(shown("/a/b"), "/a/b");
        let long = shown(&"/näme".repeat(1000)).into_owned();
        assert!(
            long.len() < 500 && long.starts_with("…/näme/näme"),
            "{long}"
        );
        assert!(shown(&"ä".repeat(1000)).len() < 500);
    }
}
