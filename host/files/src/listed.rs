//! Extended attributes of whole trees.

use crate::FilesError;
use crate::copy::each_attribute;
use crate::dirs::{handle, proc_path, walk};
use crate::error::At;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// An extended attribute of something in a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// Path below the tree; empty for the tree itself.
    pub below: PathBuf,
    /// Name with its class.
    pub name: OsString,
    /// Value.
    pub value: Vec<u8>,
}

/// The attributes with such names that a tree has, as far as this process sees them.
///
/// # Errors
/// Something cannot be looked at.
pub fn attributes_of(
    tree: &Path,
    is_wanted: impl Fn(&OsStr) -> bool,
) -> Result<Vec<Attribute>, FilesError> {
    let mut all = Vec::new();
    walk(tree, &mut |found| {
        let object = handle(found.dir, found.name).at("open", found.path)?;
        let below = found.path.strip_prefix(tree).unwrap_or(found.path);
        each_attribute(&proc_path(&object), found.path, &mut |name, value| {
            if is_wanted(name) {
                all.push(Attribute {
                    below: below.to_owned(),
                    name: name.to_owned(),
                    value: value.to_owned(),
                });
            }
            Ok(())
        })
    })?;
    Ok(all)
}
