//! What programs wrote, measured: the host does not see them do it.
use super::Result;
use super::errors::{failed, from_errno};
use super::roots::{Roots, link_of};
use crate::ErrorCode;
use crate::bindings::types::Error;
use osbuild_wasm_capability::Access;
use osbuild_wasm_files::{Usage, usage};
use std::path::Path;

impl Roots {
    /// What the directories that may be written take of the disk. None where programs may write without limit: measuring costs a look
    /// at every file.
    pub(crate) fn usage(&self) -> Result<Option<Usage>> {
        let programs = self.quota.limits().programs;
        let limited = programs.written_bytes.or(programs.created_inodes).is_some();
        limited.then(|| self.measure()).transpose()
    }

    /// Takes what there is more than before. Errors: it is more than was left, and the stage was stopped.
    pub(crate) fn take_growth(&self, path: &str, before: Option<Usage>) -> Result<()> {
        let (Some(before), Some(now)) = (before, self.usage()?) else {
            return Ok(());
        };
        let programs = self.quota.limits().programs;
        let grown = |limit: Option<u64>, now: u64, before: u64| match limit {
            Some(_) => now.saturating_sub(before),
            None => 0,
        };
        let bytes = grown(programs.written_bytes, now.bytes, before.bytes);
        let inodes = grown(programs.created_inodes, now.inodes, before.inodes);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quota::StageQuota;
    use crate::tree::Gate;
    use osbuild_wasm_capability::{Limits, ProgramLimits, Rights, Root};
    use std::sync::Arc;

    fn measures(programs: ProgramLimits) -> bool {
        let tree = tempfile::tempdir().expect("a directory");
        let root = Root {
            contract: "/run/osbuild/tree".into(),
            host: tree.path().to_owned(),
            access: Access::Write,
        };
        let limits = Limits {
            programs,
            ..Limits::default()
        };
        let quota = Arc::new(StageQuota::new(limits));
        let gate = Gate::new("test.module".into(), Rights::everything(), None);
        let roots = Roots::open_all(&[root], gate, quota).expect("a directory can be opened");
        roots.usage().expect("it can be read").is_some()
    }

    #[test]
    fn what_programs_write_is_measured_wherever_it_is_limited() {
        let usual = Limits::default();
        let none = ProgramLimits::default();
        assert!(!measures(none));
        let bytes = Some(usual.written_bytes);
        assert!(measures(ProgramLimits {
            written_bytes: bytes,
            ..none
        }));
        let inodes = Some(usual.created_inodes);
        assert!(measures(ProgramLimits {
            created_inodes: inodes,
            ..none
        }));
    }
}
