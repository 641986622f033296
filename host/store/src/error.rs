//! What can go wrong in the store, each with the path it happened at.

use osbuild_wasm_files::FilesError;
use std::io;
use std::path::{Path, PathBuf};

/// An error of the store. The first line says what was tried where; the cause is its source.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Something about files: a system call failed, or a copy met a conflict.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// The directory was made by a newer program.
    #[error(
        "the store {} has format version {found}, this program knows {known}: use a newer program or another directory",
        path.display()
    )]
    Version {
        /// The store's directory.
        path: PathBuf,
        /// Version found in its `store.json`.
        found: u64,
        /// Version this program writes.
        known: u64,
    },
    /// The store, or something at its top, is another user's, who could have put anything there.
    #[error(
        "{what} {} belongs to user {owner}, and this runs as user {own}: use a store of your own (--store)",
        path.display()
    )]
    Stranger {
        /// What the path is of the store.
        what: &'static str,
        /// Where it is.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Who runs the program.
        own: u32,
    },
    /// Something at the top of the store is a link, which may lead anywhere.
    #[error(
        "{what} {} is a symbolic link: remove it, or use another store (--store)",
        path.display()
    )]
    Link {
        /// What the path is of the store.
        what: &'static str,
        /// Where it is.
        path: PathBuf,
    },
    /// Others can put into the store what images are then made of.
    #[error(
        "{what} {} can be written by other users: `chmod go-w` it when nobody but you had access, else use another store",
        path.display()
    )]
    Shared {
        /// What the path is of the store.
        what: &'static str,
        /// Where it is.
        path: PathBuf,
    },
    /// A file of the store does not hold what it should.
    #[error("{} is damaged: remove it, or use another store", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        source: serde_json::Error,
    },
    /// An id, content type or purpose that cannot name a directory entry.
    #[error(
        "{name:?} cannot name an entry of the store: 1 to 140 letters, digits, `.`, `_`, `:`, `-`, not starting with `.`"
    )]
    Name {
        /// The name as given.
        name: String,
    },
    /// An extended attribute of a tree could not be copied into an object, which would then not be that tree.
    #[error("cannot set the attribute {name} of {} in its copy (and {} more files): more privileges are needed", path.display(), files - 1)]
    LostXattr {
        /// Name of the attribute.
        name: String,
        /// The first file that should have it.
        path: PathBuf,
        /// How many should have it.
        files: u64,
        /// What the system said.
        source: io::Error,
    },
}

impl StoreError {
    /// True when the disk or a quota is full, so that a caller can say so in one word.
    pub fn is_out_of_space(&self) -> bool {
        matches!(self, Self::Files(error) if error.is_out_of_space())
    }
}

/// Attaches what was tried and where to a failed system call.
pub(crate) trait At<T> {
    /// `action` reads as "cannot ACTION PATH".
    fn at(self, action: &'static str, path: &Path) -> Result<T, StoreError>;
}

impl<T, E: Into<io::Error>> At<T> for Result<T, E> {
    fn at(self, action: &'static str, path: &Path) -> Result<T, StoreError> {
        Ok(osbuild_wasm_files::At::at(self, action, path)?)
    }
}
