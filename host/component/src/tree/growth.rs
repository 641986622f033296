//! What programs wrote, measured: nobody sees them do it.
use super::Result;
use super::errors::{failed, from_errno};
use super::roots::{Roots, link_of};
use crate::ErrorCode;
use crate::bindings::types::Error;
use osbuild_wasm_capability::{Access, Limits};
use osbuild_wasm_files::{Usage, usage};
use std::path::Path;

impl Roots {
    /// What the directories that may be written take of the disk. None where limits are not narrower than those that every stage has:
    /// so much is not written by accident, and measuring costs a look at every file.
    pub(crate) fn usage(&self) -> Result<Option<Usage>> {
        let (limits, usual) = (self.quota.limits(), Limits::default());
        let narrow = limits.written_bytes < usual.written_bytes
            || limits.created_inodes < usual.created_inodes;
        narrow.then(|| self.measure()).transpose()
    }

    /// Takes what there is more than before. Errors: it is more than was left, and the stage was stopped.
    pub(crate) fn take_growth(&self, path: &str, before: Option<Usage>) -> Result<()> {
        let (Some(before), Some(now)) = (before, self.usage()?) else {
            return Ok(());
        };
        let bytes = now.bytes.saturating_sub(before.bytes);
        let inodes = now.inodes.saturating_sub(before.inodes);
        let taken = self.quota.take_written(bytes, inodes);
        taken.map_err(|stopped| Error {
            code: ErrorCode::NoSpace,
            path: path.to_owned(),
            detail: stopped.to_string(),
        })
    }

    fn measure(&self) -> Result<Usage> {
        let mut all = Usage::default();
        let writable = |root: &&super::roots::OpenRoot| root.access == Access::Write;
        for root in self.roots.iter().filter(writable) {
            if !root.is_directory {
                continue;
            }
            let held = root
                .held()
                .map_err(|errno| from_errno(&root.contract, errno))?;
            let found = usage(&Path::new(&link_of(&held)).join("."));
            let found = found.map_err(|error| failed(&root.contract, &error))?;
            all.bytes += found.bytes;
            all.inodes += found.inodes;
        }
        Ok(all)
    }
}
