//! Names of files as the contract carries them.
use osbuild_stage_names::to_bytes;
use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

pub use osbuild_stage_names::{from_bytes as name_to_text, is_the_text_of_a_name};

/// The name that a text stands for.
pub fn name_from_text(text: &str) -> Cow<'_, OsStr> {
    match to_bytes(text) {
        Cow::Borrowed(name) => Cow::Borrowed(OsStr::from_bytes(name)),
        Cow::Owned(name) => Cow::Owned(OsString::from_vec(name)),
    }
}
