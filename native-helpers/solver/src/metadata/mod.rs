//! Reading what repositories tell of their packages, by [`Files`] that somebody else opened.
//!
//! All of it may be hostile. XML and YAML are read in Rust, piece by piece: entities that a document defines are not expanded, numbers that
//! it announces are not believed, and nothing but packages is kept.
mod comps;
mod modules;
mod open;
mod packages;
mod repomd;
mod rich;
mod xml;

pub(crate) use comps::{Comps, Group, Kind};
pub(crate) use modules::{Default as ModuleDefault, Stream, Streams};
pub(crate) use open::Files;
pub(crate) use packages::{filelists, primary};
pub(crate) use repomd::Repomd;
pub(crate) use rich::{parse as rich_dependency, plain as plain_dependency};

/// What is wrong with a file.
pub(crate) type Result<T> = std::result::Result<T, String>;
