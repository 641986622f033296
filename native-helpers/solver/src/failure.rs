//! What can go wrong, as the protocol tells it.
use serde::{Deserialize, Serialize};
use std::fmt;

/// The answer to a request that was not fulfilled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failure {
    /// What kind of failure it is.
    pub(crate) kind: Kind,
    /// One line for people.
    pub(crate) reason: String,
}

/// Kinds of failures; the names are the protocol's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    /// A repository cannot be read.
    RepoError,
    /// There is no repository.
    NoReposError,
    /// Something that is wished for does not exist.
    MarkingErrors,
    /// Wishes exclude one another.
    DepsolveError,
    /// A key cannot be read.
    GPGKeyReadError,
    /// The request is wrong.
    InvalidRequest,
    /// The host has no subscription.
    NoRHSMSubscriptionsError,
    /// Anything else, such as too little memory.
    SolverError,
}

impl Failure {
    pub(crate) fn new(kind: Kind, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self { kind, reason }
    }

    /// A repository cannot be read: `problem` names it.
    pub(crate) fn repository(problem: impl fmt::Display) -> Self {
        Self::new(
            Kind::RepoError,
            format!("There was a problem reading a repository: {problem}"),
        )
    }

    /// The request is wrong.
    pub(crate) fn invalid(problem: impl Into<String>) -> Self {
        Self::new(Kind::InvalidRequest, problem)
    }

    /// Something that is wished for does not exist.
    pub(crate) fn marking(problem: impl fmt::Display) -> Self {
        let reason = format!("Error occurred when marking packages for installation: {problem}");
        Self::new(Kind::MarkingErrors, reason)
    }
}
