//! Errors of this room.
use osbuild_wasm_capability::{ImportProblem, MetadataError};
use std::path::PathBuf;
use std::time::Duration;
use thiserror::Error;

/// A component cannot be used or run.
#[derive(Debug, Error)]
pub enum ComponentError {
    /// Its file cannot be read.
    #[error("component {path}: {cause}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// Another user could have made or changed it.
    #[error("component {cause}")]
    Untrusted {
        /// The file or directory.
        path: PathBuf,
        /// Why, beginning with the path.
        cause: std::io::Error,
    },
    /// Its compiled code cannot be written.
    #[error("cannot write compiled code to {path}: {cause}")]
    Unwritable {
        /// The directory.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// The bytes are no component.
    #[error("{name} is not a WebAssembly component: {cause}; build it for target wasm32-wasip2")]
    NotAComponent {
        /// Module or file name.
        name: String,
        /// What the parser said.
        cause: String,
    },
    /// It carries no module document.
    #[error("{name} has no section `osbuild:module`: pack the component with its module document")]
    NoMetadata {
        /// Module or file name.
        name: String,
    },
    /// Its module document is malformed.
    #[error("{name}: {cause}")]
    Metadata {
        /// Module or file name.
        name: String,
        /// What is wrong.
        cause: MetadataError,
    },
    /// It is no kind of module that a component can be.
    #[error(
        "{name}: section `osbuild:module`: kind {kind:?} is not one that a component can have: write \"stage\" or \"assembler\""
    )]
    Kind {
        /// Module or file name.
        name: String,
        /// What the section says.
        kind: String,
    },
    /// Two plugins claim one name.
    #[error("{path} and {other} are both {name}: remove one of them")]
    Twice {
        /// The later plugin's file.
        path: PathBuf,
        /// The earlier plugin's file.
        other: PathBuf,
        /// The name they claim.
        name: String,
    },
    /// It imports what this host does not offer.
    #[error(transparent)]
    Imports(#[from] ImportProblem),
    /// wasmtime refused it.
    #[error("{name} cannot be compiled or linked: {cause}")]
    Link {
        /// Module name.
        name: String,
        /// What wasmtime said.
        cause: String,
    },
    /// Compiling it takes more than it may.
    #[error(
        "{name} cannot be compiled: {cause}; split it into smaller functions, or build it with fewer optimisations"
    )]
    Costly {
        /// Module name.
        name: String,
        /// Which limit was reached.
        cause: String,
    },
    /// The process that compiled it was killed.
    #[error("{name}: compiling was interrupted")]
    Interrupted {
        /// Module name.
        name: String,
    },
    /// A granted directory cannot be opened.
    #[error("granted directory {path}: {cause}")]
    Root {
        /// The host's directory.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// The runtime itself could not be set up.
    #[error("WebAssembly engine: {0}")]
    Engine(String),
    /// A plugin with a name that only built-in modules have.
    #[error(
        "{path} says it is {name}: names that begin with `org.osbuild` are those of built-in modules; use a domain of your own"
    )]
    Reserved {
        /// The plugin's file.
        path: PathBuf,
        /// The name it claims.
        name: String,
    },
    /// Plugins with the name of a module that is built in.
    #[error("{path} says it is {name}, which is built in: rename the module, or remove the file")]
    Shadows {
        /// The plugin's file.
        path: PathBuf,
        /// The name it claims.
        name: String,
    },
}

/// Why a component was stopped before it ended by itself.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Stopped {
    /// The time limit.
    #[error("stopped after {} s: the time limit of a stage (--stage-timeout) was reached", .0.as_secs_f64())]
    Time(Duration),
    /// The run was interrupted.
    #[error("interrupted")]
    Cancelled,
    /// More log than allowed.
    #[error("stopped: the stage wrote more than {0} bytes of log")]
    Output(u64),
    /// More written by its programs than allowed: the limit, and of what.
    #[error("stopped: programs of the stage wrote more than its limit of {0} {1}")]
    Written(u64, &'static str),
    /// More memory than allowed.
    #[error("stopped: the stage wanted more than {0} bytes of memory")]
    Memory(usize),
    /// A trap: the component's own mistake.
    #[error("the component crashed: {0}")]
    Trap(String),
}
