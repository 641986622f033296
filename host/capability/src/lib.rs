//! Names of what a component may do: interfaces, rights on paths, programs, and the grant that one run gets.
//!
//! Pure: nothing here touches the machine. The words are those of `wit/` and of the module documents in `schemas/`.
#![forbid(unsafe_code)]

mod embed;
mod grant;
mod interface;
mod metadata;
mod pattern;
pub mod record;
mod request;
mod rights;

pub use embed::embed;
pub use grant::{Access, Grant, Limits, Root};
pub use interface::{Interface, PACKAGE, VERSION, Version};
pub use metadata::{MetadataError, ModuleMetadata, SECTION};
pub use pattern::{Coverage, Pattern, PatternError, shown};
pub use request::{Import, ImportProblem, Request};
pub use rights::{Refusal, Right, Rights, Verb};
