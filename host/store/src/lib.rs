//! The object store: finished trees by id, downloaded sources by checksum, scratch directories that never outlive
//! their owner.
//!
//! ```text
//! STORE/
//!   CACHEDIR.TAG                 tells backup programs to skip the directory (bford.info/cachedir)
//!   store.json                   {"version": 1, "maximum-size": BYTES or null}
//!   objects/ID/{lock,object.json,tree/}
//!   sources/CONTENT-TYPE/KEY     files or directories, named by what they contain
//!   scratch/PURPOSE-...{,.lock}  owned by the holder of the lock
//!   noted                        what sources looked like when they were verified
//!   unsynced/BOOT-...            some sources may not be on the disk: after a crash look at them
//! ```
//!
//! Several runs may use one store. Everything that must hold between them rests on two facts of the kernel: a rename
//! is atomic, and a lock on an open file goes away with the process that held it, however that process ended.
#![forbid(unsafe_code)]
#![allow(clippy::disallowed_methods, reason = "the store is its own")]

mod error;
mod evict;
mod noted;
mod object;
mod owner;
mod scratch;
mod store;
mod unsynced;

pub use error::StoreError;
pub use evict::Usage;
pub use object::{CommitFrom, Details, Object, refuse_losses};
pub(crate) use osbuild_wasm_files::{dirs, disk_usage, remove_tree};
pub use scratch::Scratch;
pub use store::Store;
pub use unsynced::Unsynced;

#[cfg(test)]
mod tests;
