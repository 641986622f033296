//! Errors of this room.
use osbuild_stage_test::CaseError;
use osbuild_wasm_component::ComponentError;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Something with a plugin did not work.
#[derive(Debug, Error)]
pub enum PluginError {
    /// A file or directory cannot be read or written.
    #[error("{}: {cause}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// What the user asked for makes no sense; what to do instead is in the text.
    #[error("{0}")]
    Usage(String),
    /// The file is no plugin.
    #[error(transparent)]
    Component(#[from] ComponentError),
    /// A test case cannot be used.
    #[error(transparent)]
    Case(#[from] CaseError),
    /// The module document cannot be used.
    #[error("{}: {cause}", path.display())]
    Document {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
    /// The bytes cannot be made a component.
    #[error("{name} cannot be packed: {cause}")]
    Pack {
        /// The file.
        name: String,
        /// Why.
        cause: String,
    },
    /// A tool of the language is missing or failed.
    #[error("{tool}: {cause}")]
    Tool {
        /// Its name.
        tool: String,
        /// What happened, and what to do.
        cause: String,
    },
    /// A plugin cannot be got from where it is.
    #[error("{origin}: {cause}")]
    Fetch {
        /// Where it should be.
        origin: String,
        /// What happened.
        cause: String,
    },
    /// It is something else than what was asked for or installed.
    #[error("{name} has digest {found}, not {wanted}: {advice}")]
    Digest {
        /// Origin or file.
        name: String,
        /// What it should have been.
        wanted: String,
        /// What it is.
        found: String,
        /// What to do.
        advice: String,
    },
    /// A signature is required and absent, wrong, or not trusted.
    #[error("{name}: {cause}")]
    Signature {
        /// What should be signed.
        name: String,
        /// What is wrong.
        cause: String,
    },
}

/// With this room's error.
pub type Result<T, E = PluginError> = std::result::Result<T, E>;

impl PluginError {
    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |cause| Self::Io { path, cause }
    }

    /// For what is read only if no other user can have written it; such an error names the path itself.
    pub(crate) fn untrusted(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |cause| match cause.kind() {
            // The system's own refusal does not begin with the path.
            std::io::ErrorKind::PermissionDenied if cause.raw_os_error().is_none() => {
                Self::Component(ComponentError::Untrusted { path, cause })
            }
            _ => Self::Io { path, cause },
        }
    }

    /// Whether the command line is to blame rather than the machine or a file.
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::Usage(_))
    }
}
