//! From names to content: which packages of which repositories fulfil what is wished for, which image,
//! which commit and which flatpak a name leads to.
//!
//! Metadata of repositories is downloaded by what downloads sources, kept in a cache of the user, and revalidated. Packages are found by a
//! solver, a program of its own that speaks osbuild-depsolve-dnf's protocol and gets the metadata as files of this machine. Images and
//! commits are asked for by what fetches them as sources.
#![forbid(unsafe_code)]
#![allow(
    clippy::disallowed_methods,
    reason = "the directories of the cache are its own: they are refused when others own them"
)]

mod cache;
mod commits;
mod containers;
mod content;
mod error;
mod flatpaks;
mod host;
mod image_content;
mod index;
pub mod jobs;
mod package;
mod places;
mod repo_file;
mod repository;
mod signature;
mod solver;

pub use commits::{FoundCommit, WantedCommit};
pub use containers::{FoundImage, WantedImage};
pub use content::{System, remote};
pub use error::{Kind, ResolveError};
pub use flatpaks::{FoundFlatpak, WantedFlatpak};
pub use host::host_distro;
pub use osbuild_wasm_source::{Allowance, Environment};
pub use package::{Checksum, Dependency, Package, Packages};
pub use places::{PlaceError, definitions_of, file_of, repositories_in};
pub use repo_file::{metadata_expire, repositories_of};
pub use repository::Repository;
pub use solver::{Resolver, Settings, Transaction, Wanted};
