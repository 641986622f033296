//! Whole trees of files: copied, removed, measured, digested, their times clamped.
//!
//! Everything is relative to open directories and follows no link that a tree contains, so that a hostile tree cannot lead
//! anywhere else. The store and the host's side of `osbuild:stage/tree` share this room.
#![forbid(unsafe_code)]
#![allow(
    clippy::disallowed_methods,
    reason = "this is the room that makes files"
)]

mod beyond;
mod carried;
mod changed;
mod companion;
mod copy;
mod digest;
pub mod dirs;
mod error;
mod home;
mod inherited;
mod listed;
mod machine;
mod name;
mod privileges;
mod read;
mod remove;
pub mod resolve;
mod size;
mod times;
mod whole;
mod work;

pub use beyond::{Beyond, Reach, first_beyond};
pub use carried::{Carried, SET_ID};
pub use changed::changed_files;
pub use companion::companion_program;
pub use copy::packed::{pack_tree, unpack_tree};
pub use copy::{
    CopyOptions, CopyReport, Overseer, Property, SetXattr, Through, XattrLoss, copy_metadata,
    copy_object, copy_part, copy_tree,
};
pub use digest::{FileDigest, TreeDigest, digest_file, digest_tree};
pub use error::{At, FilesError, shown, with_causes};
pub use home::own_directory;
pub use inherited::inherit_nothing;
pub use listed::{Attribute, attributes_of};
pub use machine::os_release_of_host;
pub use name::{is_the_text_of_a_name, name_from_text, name_to_text};
pub use privileges::holds_privileges;
pub use read::{
    LARGEST_COMPONENT, LARGEST_DOCUMENT, LARGEST_RECORD, open_readable, read_file, read_text,
    read_whole,
};
pub use remove::{remove_entry, remove_tree};
pub use size::{Usage, allocated, disk_usage, usage};
pub use times::clamp_times;
pub use whole::{
    NewFile, move_file, open_lock_file, write_file, write_new_file, write_private_file,
};
pub use work::WorkDirectory;

#[cfg(test)]
mod tests;
