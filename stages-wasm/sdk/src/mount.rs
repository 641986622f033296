//! File systems below the stage's mounts directory.
use crate::bindings::osbuild::stage::mount as wit;
use crate::{Result, Tree};
use std::fmt;

pub use crate::bindings::osbuild::stage::mount::FileSystem;

/// A mounted file system; dropping it unmounts.
pub struct Mounted(wit::Mounted);

impl Mounted {
    /// Mounts a device that the run was given or attached itself; `target` is a path below `/run/osbuild/mounts`.
    pub fn new(
        device: &str,
        target: &str,
        kind: FileSystem,
        read_only: bool,
        options: &[String],
    ) -> Result<Self> {
        Ok(Self(wit::mount(device, target, kind, read_only, options)?))
    }

    /// The root of the file system.
    pub fn tree(&self) -> Tree {
        Tree::new(self.0.path())
    }

    /// Writes back and unmounts; says whether that worked.
    pub fn unmount(self) -> Result<()> {
        Ok(self.0.unmount()?)
    }
}

impl fmt::Debug for Mounted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Mounted").finish_non_exhaustive()
    }
}
