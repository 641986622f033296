//! How much the programs of a session may write, watched while they run.
//!
//! Few file systems can limit a directory. So two signs are looked at that cost nothing: the free space of the file system, and what the
//! kernel says that the processes wrote. Only when one of them is beyond the limit are the session's directories measured: other
//! processes use the disk too, and give space back, and what was written may have been removed again.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use osbuild_wasm_protocol::Failure;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, fstatvfs, openat2, statat};
use rustix::io::Errno;

use crate::failure::About;
use crate::processes::Processes;

/// What a directory takes up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub bytes: u64,
    pub inodes: u64,
}

impl Usage {
    fn less(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_sub(other.bytes),
            inodes: self.inodes.saturating_sub(other.inodes),
        }
    }

    fn larger(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.max(other.bytes),
            inodes: self.inodes.max(other.inodes),
        }
    }
}

/// A limit of what is added to some directories from now on.
#[derive(Debug)]
pub struct Quota {
    directories: Vec<OwnedFd>,
    limit: Usage,
    before: Usage,
    free: Vec<Usage>,
}

impl Quota {
    /// Begins to count what is written to these directories.
    pub fn new(directories: Vec<OwnedFd>, limit: Usage) -> Result<Self, Failure> {
        let mut quota = Self {
            directories,
            limit,
            before: Usage::default(),
            free: Vec::new(),
        };
        quota.before = quota.used()?;
        quota.free = quota.directories.iter().map(free).collect();
        Ok(quota)
    }

    /// What was exceeded, as a message. What `processes` hold that has no name any more counts too.
    pub fn exceeded(&self, processes: Option<&Processes>) -> Option<String> {
        let now = self.directories.iter().map(free);
        let shrank = self.free.iter().zip(now);
        let shrank = shrank.map(|(before, now)| before.less(now));
        let mut sign = shrank.reduce(Usage::larger).unwrap_or_default();
        sign.bytes = processes.map_or(0, Processes::written).max(sign.bytes);
        self.broken_by(sign)?;
        let Ok(used) = self.used() else {
            return Some("programs of the stage wrote where it cannot be measured".into());
        };
        let mut grown = used.less(self.before);
        if let Some(processes) = processes {
            let usage = processes.usage(&self.devices());
            grown.bytes = grown.bytes.saturating_add(usage.bytes());
            grown.inodes = grown.inodes.saturating_add(usage.inodes());
            // What cannot be measured may be all that is gone or was written.
            if usage.more() {
                grown = grown.larger(sign);
            }
        }
        let what = self.broken_by(grown)?;
        Some(format!(
            "programs of the stage wrote more than its limit of {what}"
        ))
    }

    /// The limit that so much is beyond.
    fn broken_by(&self, usage: Usage) -> Option<String> {
        let Usage { bytes, inodes } = self.limit;
        match usage {
            usage if usage.bytes > bytes => Some(format!("{bytes} bytes")),
            usage if usage.inodes > inodes => Some(format!("{inodes} files")),
            _ => None,
        }
    }

    /// The file systems that the directories are on.
    fn devices(&self) -> Vec<u64> {
        let stats = self.directories.iter().map(rustix::fs::fstat);
        stats.flatten().map(|stat| stat.st_dev).collect()
    }

    fn used(&self) -> Result<Usage, Failure> {
        let mut used = Usage::default();
        for directory in &self.directories {
            add(directory, &mut used).about("", "measure a directory")?;
        }
        Ok(used)
    }
}

/// What is left on the file system of a directory.
fn free(directory: &OwnedFd) -> Usage {
    fstatvfs(directory).map_or_else(
        |_| Usage::default(),
        |space| Usage {
            bytes: space.f_bfree.saturating_mul(space.f_frsize),
            inodes: space.f_ffree,
        },
    )
}

/// Adds all below a directory, other file systems and what links lead to excepted.
fn add(top: &OwnedFd, used: &mut Usage) -> rustix::io::Result<()> {
    let device = rustix::fs::fstat(top)?.st_dev;
    let mut pending = vec![PathBuf::from(".")];
    while let Some(path) = pending.pop() {
        let directory = match open_below(top, &path) {
            Ok(directory) => directory,
            Err(Errno::NAMETOOLONG) => return Err(Errno::NAMETOOLONG),
            // A program may have removed it meanwhile, or put a link in its place.
            Err(_) => continue,
        };
        for entry in Dir::read_from(&directory)?.flatten() {
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let Ok(stat) = statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW) else {
                continue;
            };
            let bytes = u64::try_from(stat.st_blocks).unwrap_or_default() * 512;
            used.inodes += 1;
            #[allow(
                clippy::useless_conversion,
                reason = "the kernel counts links in 32 bits on other architectures"
            )]
            let links = u64::from(stat.st_nlink).max(1);
            used.bytes += bytes / links;
            let is_directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
            if is_directory && stat.st_dev == device {
                pending.push(path.join(OsStr::from_bytes(name.to_bytes())));
            }
        }
    }
    Ok(())
}

fn open_below(top: &OwnedFd, path: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    openat2(top, path, flags, Mode::empty(), resolve)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn directory(path: &std::path::Path) -> OwnedFd {
        fs::File::open(path).unwrap().into()
    }

    #[test]
    fn what_is_written_below_a_directory_counts_and_nothing_else() {
        let top = tempfile::tempdir().unwrap();
        fs::create_dir_all(top.path().join("watched/a/b")).unwrap();
        fs::write(top.path().join("watched/a/before"), vec![1; 1 << 20]).unwrap();
        let limit = Usage {
            bytes: 1 << 20,
            inodes: 20,
        };
        let quota = Quota::new(vec![directory(&top.path().join("watched"))], limit).unwrap();
        assert_eq!(quota.exceeded(None), None);
        for number in 0..15 {
            fs::write(top.path().join(format!("watched/a/b/{number}")), "x").unwrap();
        }
        assert_eq!(quota.used().unwrap().inodes, quota.before.inodes + 15);
        for number in 15..30 {
            fs::write(top.path().join(format!("watched/a/b/{number}")), "x").unwrap();
        }
        let message = quota.exceeded(None);
        assert!(message.is_none_or(|message| message.ends_with("20 files")));
    }
}
