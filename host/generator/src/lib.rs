//! From an image type, a blueprint and resolved content to a manifest. Pure: no clock, no network, no randomness but
//! the seed.
//!
//! It goes in two steps. Making a `Plan` creates the pipelines in the order of the manifest and says what
//! content each needs (`Plan::content`); when that is resolved, `Plan::manifest`
//! lets every pipeline write its stages and gathers the sources.
#![forbid(unsafe_code)]
pub mod checks;
pub mod content;
pub mod customizations;
pub mod disk;
mod error;
pub mod explain;
mod kinds;
pub mod manifest;
pub mod mock;
pub mod pipelines;
pub mod plan;
pub mod random;
pub mod request;
pub mod sources;

pub use error::GeneratorError;
