//! Errors of this room.
use osbuild_wasm_capability::plan::Plan;
use osbuild_wasm_component::{ComponentError, Kind};
use osbuild_wasm_protocol::Failure;
use osbuild_wasm_store::StoreError;
use std::path::PathBuf;
use thiserror::Error;

/// Something outside of a stage went wrong.
#[derive(Debug, Error)]
pub enum BuildError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A tree of files.
    #[error(transparent)]
    Files(#[from] osbuild_wasm_files::FilesError),
    /// A component.
    #[error(transparent)]
    Component(ComponentError),
    /// A helper refused or failed.
    #[error("{place}: {failure}")]
    Helper {
        /// What it was asked for, e.g. `device disk (org.osbuild.loopback)`.
        place: String,
        /// Its answer.
        failure: Failure,
    },
    /// A file-system call on the host.
    #[error("{path}: {cause}")]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// No component of that name.
    #[error("no component for {kind} {name}{hint}")]
    NoComponent {
        /// `stage` or `assembler`.
        kind: &'static str,
        /// Its name.
        name: String,
        /// A near name, ready to print.
        hint: String,
    },
    /// A part of the manifest that cannot be carried out.
    #[error("{place}: {reason}")]
    Manifest {
        /// Which part.
        place: String,
        /// Why, and what to do.
        reason: String,
    },
    /// The machine or user lacks a right.
    #[error("{0}")]
    Privilege(String),
    /// The plan has something that is denied; nothing has run.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// Somebody interrupted the run.
    #[error("interrupted")]
    Interrupted,
}

/// A plan in which something is denied.
#[derive(Debug, Error)]
#[error("{}", self.first())]
pub struct Denied(pub Box<Plan>);

impl Denied {
    /// The first denial, with the module and its place.
    fn first(&self) -> String {
        let denied = self.0.all().find(|planned| !planned.decision.granted());
        let Some((planned, denial)) =
            denied.and_then(|planned| Some((planned, planned.decision.denials.first()?)))
        else {
            return "the plan is denied".into();
        };
        let (place, module) = (&planned.ask.place, &planned.ask.module.name);
        format!(
            "{place} ({module}) is denied {}: {}",
            denial.capability, denial.reason
        )
    }
}

impl From<ComponentError> for BuildError {
    fn from(error: ComponentError) -> Self {
        match error {
            ComponentError::Interrupted { .. } => Self::Interrupted,
            error => Self::Component(error),
        }
    }
}

impl BuildError {
    /// There is no component for a module.
    pub(crate) fn no_component(kind: Kind, name: &str) -> Self {
        Self::NoComponent {
            kind: kind.name(),
            name: name.to_owned(),
            hint: ": this version does not carry it; put a plugin of that name into a directory of --libdir or OSBUILD_WASM_PATH".into(),
        }
    }

    /// An error of the manifest at `place`.
    pub(crate) fn manifest(place: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Manifest {
            place: place.into(),
            reason: reason.into(),
        }
    }

    /// A failed call on the host's path.
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |cause| Self::Io { path, cause }
    }
}

/// The result of this room.
pub(crate) type Result<T> = std::result::Result<T, BuildError>;
