//! The documents: JSON as osbuild reads it, validation, the plain model of a manifest with its ids, `inspect`.
//!
//! Pure: nothing here reads a file, asks the system or prints. The way of a manifest is
//! [`json::parse`] -> [`validate::validate`] -> [`load::load`] -> [`model::Manifest`].
#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(clippy::disallowed_methods, reason = "tests make their own files")
)]

mod alias;
pub mod catalogue;
pub mod format;
pub mod ids;
pub mod inspect;
pub mod json;
pub mod load;
pub mod location;
pub mod model;
pub mod nearest;
pub mod origin;
pub mod printable;
pub mod problem;
pub mod reference;
pub mod runner;
pub mod schema;
pub mod unbuildable;
pub mod validate;
