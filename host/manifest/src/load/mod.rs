//! From a document to the model: references resolved, ids computed.
//!
//! What osbuild answers with a traceback here (an unknown reference, a cycle of devices, a missing name, ...) is a [`LoadError`] with the place
//! in the document.

mod cursor;
mod stage;
mod v1;
mod v2;

use crate::format::{Format, detect, earliest_to_v1};
use crate::json::Value;
use crate::model::{Manifest, Runner};
use crate::problem::{Path, ValidationError};

/// What loading needs to know beside the document.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// The runner for stages that build on the host: [`crate::runner::host_runner`].
    pub host_runner: Runner,
}

/// Why a document has no model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub struct LoadError(Box<ValidationError>);

impl LoadError {
    pub(crate) fn new(path: &[crate::problem::PathElement], message: impl Into<String>) -> Self {
        LoadError(Box::new(ValidationError::new(path, message)))
    }

    pub(crate) fn with_hint(self, hint: impl Into<String>) -> Self {
        LoadError(Box::new(self.0.with_hint(hint)))
    }

    /// Where.
    pub fn path(&self) -> &Path {
        &self.0.path
    }
}

impl From<LoadError> for ValidationError {
    fn from(error: LoadError) -> Self {
        *error.0
    }
}

pub(crate) type Loaded<T> = Result<T, LoadError>;

/// Loads a document of any format.
///
/// The document should have passed [`crate::validate::validate`]; what the schemas let through (and what they would have caught) still ends in an
/// error, never in a panic.
pub fn load(document: &Value, options: &LoadOptions) -> Result<Manifest, LoadError> {
    match detect(document) {
        Ok(Format::V2) => v2::load(document, options),
        Ok(Format::V1) => v1::load(document, options),
        Ok(Format::Earliest) => {
            v1::load(&earliest_to_v1(document), options).map_err(without_pipeline)
        }
        Err(unsupported) => Err(LoadError::new(&["version".into()], unsupported.to_string())),
    }
}

/// In the earliest form there is no `pipeline` around the document.
fn without_pipeline(mut error: LoadError) -> LoadError {
    crate::problem::strip_pipeline(&mut error.0);
    error
}
