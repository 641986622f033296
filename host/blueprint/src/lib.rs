//! Blueprints: what an image shall be, as TOML or JSON, read into one model.
//!
//! Pure: nothing here reads a file, asks the system or prints. A document goes through [`Blueprint::from_toml`] or
//! [`Blueprint::from_json`]: its syntax, then its shape (names and types, after the schema that the types make), then the rules between
//! its fields. All that is wrong is told at once, each with its place in the text. What depends on a distribution or an image type is
//! asked by whoever knows that: [`policy`], [`support`].
#![forbid(unsafe_code)]

mod cloud;
mod diagnostic;
mod document;
pub mod model;
mod parse;
pub mod pem;
pub mod policy;
mod position;
pub mod report;
mod rules;
mod schema;
mod shape;
pub mod support;
#[cfg(test)]
mod tests;
mod write;

pub use diagnostic::{Diagnostic, Part, Severity, dotted};
pub use document::{Syntax, spans};
pub use model::Blueprint;
pub use osbuild_wasm_manifest::problem::{Path, PathElement};
pub use parse::{Options, Parsed, Strictness};
pub use position::Position;
pub use rules::is_semantic;
pub use schema::schema;
