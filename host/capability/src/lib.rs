//! Names of what a component may do: interfaces, rights on paths, programs, and the grant that one run gets.
//!
//! Pure: nothing here touches the machine. The words are those of `wit/` and of the module documents in `schemas/`.
#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(clippy::disallowed_methods, reason = "tests make their own files")
)]

pub mod audit;
pub mod diff;
mod embed;
mod grant;
mod interface;
pub mod lock;
mod metadata;
mod mounts;
mod pattern;
mod places;
pub mod plan;
pub mod policy;
mod profile;
mod reads;
pub mod record;
mod request;
mod rights;
mod size;
pub mod told;

pub use embed::embed;
pub use grant::{Access, Grant, Limits, ProgramLimits, Root};
pub use interface::{Interface, PACKAGE, VERSION, Version};
pub use metadata::{MetadataError, ModuleMetadata, SECTION};
pub use mounts::MountNames;
pub use pattern::{Coverage, Pattern, PatternError, exactly, shown};
pub use places::{Places, ProgramPlace};
pub use policy::{Policy, PolicyError};
pub use profile::{BUILT_IN, Profile, Signer, Standing, standing};
pub use reads::{ReadPattern, readable_on_this_machine};
pub use request::{Import, ImportProblem, Request};
pub use rights::{Place, Refusal, Right, Rights, Verb};
pub use size::Size;
