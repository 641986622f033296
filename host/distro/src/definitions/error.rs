//! What can be wrong with a name, or with a definition.
use std::fmt;

/// A name that means nothing here, or a definition that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DefinitionError {
    /// No definition has this distribution.
    #[error("there is no distribution {name}{}", Hint(.near))]
    UnknownDistribution {
        /// Name that was asked for.
        name: String,
        /// The name that was probably meant.
        near: Option<String>,
    },
    /// The distribution has no type of this name on the architecture.
    #[error("{distribution} has no image type {name} for {arch}{}", Hint(.near))]
    UnknownType {
        /// Distribution.
        distribution: String,
        /// Architecture.
        arch: String,
        /// Name that was asked for.
        name: String,
        /// What was probably meant: a name, or where the type is.
        near: Option<String>,
    },
    /// A file of definitions cannot be read.
    #[error("definitions: {path}: {reason}")]
    Text {
        /// Path below the directory of definitions.
        path: String,
        /// What is wrong and where.
        reason: String,
    },
    /// A definition says what cannot be.
    #[error("definitions of {family}: {part}: {reason}")]
    Invalid {
        /// Family.
        family: String,
        /// Part of it, as a path.
        part: String,
        /// What is wrong.
        reason: String,
    },
}

/// The end of a sentence that says what was meant.
struct Hint<'a>(&'a Option<String>);

impl fmt::Display for Hint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(near) => write!(f, "; did you mean {near}?"),
            None => Ok(()),
        }
    }
}
