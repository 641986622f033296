//! Live media of CoreOS: what the deployed tree says of itself, archives of an initramfs, the root file system and the medium.
//!
//! Names and formats on the medium are those that coreos-installer reads and changes.
mod archive;
mod kernel_arguments;
mod medium;
mod root;
mod system;

pub use archive::{Archive, append, pad};
pub use kernel_arguments::Areas;
pub use medium::{Architecture, Medium};
pub use root::{Disk, RootFs};
pub use system::System;

use osbuild_stage::{Result, Tree, bail};
use serde::Serialize;

/// Copies what a file holds, and its mode; both by contract path.
pub fn copy_file(from: &str, to: &str) -> Result<()> {
    let tree = Tree::contract();
    let source = tree.open(from)?;
    let metadata = source.stat()?;
    let target = tree.create(to)?;
    if target.copy_from(&source, 0, 0, metadata.size)? < metadata.size {
        bail!("{from}: became shorter while it was read");
    }
    tree.set_mode(to, metadata.mode & 0o755)
}

/// JSON as people read it, with a newline at the end.
fn json(value: &impl Serialize) -> Result<String> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}
