//! Why content could not be found.
use std::fmt;

/// What kind of failure it is: users mend them in different places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A repository cannot be reached, read or trusted.
    Repository,
    /// The cache cannot be used.
    Cache,
    /// A package, group or module does not exist, or what should name an image does not.
    Missing,
    /// An image, a commit or a flatpak is not to be had.
    Content,
    /// Wishes exclude one another.
    Conflict,
    /// The solver does not work.
    Solver,
}

/// One line that says what failed, where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolveError {
    /// What kind of failure it is.
    pub kind: Kind,
    message: String,
}

impl ResolveError {
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { kind, message }
    }

    /// Something about a repository.
    pub(crate) fn repository(id: &str, problem: impl fmt::Display) -> Self {
        Self::new(Kind::Repository, format!("the repository {id}: {problem}"))
    }

    /// The cache cannot be used.
    pub(crate) fn cache(action: &str, path: &std::path::Path, error: impl fmt::Display) -> Self {
        let path = path.display();
        Self::new(
            Kind::Cache,
            format!(
                "cannot {action} {path} of the cache: {error}; make room, or name another directory"
            ),
        )
    }
}

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ResolveError {}

pub(crate) type Result<T> = std::result::Result<T, ResolveError>;
