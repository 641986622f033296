//! What the process that opens files tells the one that reads them.
use crate::protocol::Repo;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A request with the files that it needs.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Work {
    /// The request as it came.
    pub(crate) request: String,
    pub(crate) repositories: Vec<Opened>,
}

/// A repository with its files, all of which are opened before the first of them is read.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Opened {
    pub(crate) repo: Repo,
    /// The directory `repodata`.
    pub(crate) directory: PathBuf,
    /// Names of its files.
    pub(crate) names: Vec<String>,
    /// A .solv file with the packages.
    pub(crate) cached: Option<PathBuf>,
    /// An empty file that takes the packages as .solv.
    pub(crate) cache: Option<PathBuf>,
}

/// The first line of the answer; the protocol's document follows.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Header {
    /// Places of the repositories whose .solv file was written.
    pub(crate) written: Vec<usize>,
    /// Whether the document is a reply rather than a failure.
    pub(crate) success: bool,
}

/// Word of the command line of the process that reads files.
pub(crate) const CONFINED: &str = "confined";
