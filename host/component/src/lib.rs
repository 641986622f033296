//! Runs stages: finds components, compiles them once, links exactly what they were granted, and bounds what they use.
//!
//! The only room that sees wasmtime. Privileged interfaces are carried out by an implementation of [`Helpers`]; files by [`tree`],
//! which resolves every path inside a granted directory.
#![deny(unsafe_code)]
#![allow(
    clippy::disallowed_methods,
    reason = "the cache and the trees of stages are its own"
)]

pub mod bindings;
mod cache;
mod compiler;
mod complexity;
mod engine;
mod failure;
mod installed;
mod limits;
mod module;
mod privileged;
mod quota;
mod record;
mod registry;
mod run;
mod stdio;
mod threads;
pub mod tree;
mod wasi;

pub(crate) use bindings::types::ErrorCode;
pub use cache::Cache;
pub use compiler::Compiler;
pub use engine::{Compiled, Engine};
pub use failure::{ComponentError, Stopped};
pub use installed::Installed;
pub use module::{Module, Origin};
pub use privileged::Helpers;
pub use quota::StageQuota;
pub use record::Recorder;
pub use registry::{Builtin, Kind, Registry};
pub use run::{Cancel, Outcome, Run};
pub use stdio::LogSink;
