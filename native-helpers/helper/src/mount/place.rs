//! One mount of a session, from attaching it to taking it away.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use osbuild_wasm_protocol::{ErrorCode, Failure};
use osbuild_wasm_sys::mount::set_attributes;
use rustix::fs::{Mode, OFlags, syncfs};
use rustix::io::Errno;
use rustix::mount::{
    MountAttrFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, move_mount, open_tree, unmount,
};

use super::table;
use crate::failure::About;

/// How long a file system may stay in use after its last user has ended.
const PATIENCE: Duration = Duration::from_secs(10);

/// A mount that is attached.
#[derive(Debug)]
pub struct Place {
    contract: String,
    id: u64,
    /// Its root; open since it was mounted, so that `syncfs` reports every write that failed since then. None: a file is mounted.
    root: Option<OwnedFd>,
}

impl Place {
    /// Attaches a mount that is nowhere yet.
    pub fn attach(mount: OwnedFd, target: &OwnedFd, contract: &str) -> Result<Self, Failure> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = match rustix::fs::openat(&mount, ".", flags, Mode::empty()) {
            Err(Errno::NOTDIR) => None,
            root => Some(root.about(contract, "open what is to be mounted")?),
        };
        let id = table::id_of(&mount, contract)?;
        move_to(&mount, target, contract)?;
        Ok(Self {
            contract: contract.to_owned(),
            id,
            root,
        })
    }

    /// Mounts an open directory once more: no devices, no set-id programs, and nothing written when it is `read_only`.
    pub fn bind(
        directory: impl AsFd,
        target: &OwnedFd,
        read_only: bool,
        contract: &str,
    ) -> Result<Self, Failure> {
        let copy = copy(directory, contract)?;
        let mut limits = MountAttrFlags::MOUNT_ATTR_NODEV | MountAttrFlags::MOUNT_ATTR_NOSUID;
        limits.set(MountAttrFlags::MOUNT_ATTR_RDONLY, read_only);
        set_attributes(&copy, limits, MountAttrFlags::empty())
            .about(contract, "limit this mount")?;
        Self::attach(copy, target, contract)
    }

    /// Writes back, and takes it away with everything that was mounted on top of it.
    pub fn detach(self) -> Result<(), Failure> {
        let written = self.root.as_ref().map_or(Ok(()), syncfs);
        let written = written.about(&self.contract, "write back this file system");
        drop(self.root);
        // Where it is by now: directories above it may have been renamed.
        let table = table::read(&self.contract)?;
        written.and(unmount_all(
            table::points_of(&table, self.id),
            &self.contract,
        ))
    }
}

/// A copy of the mount that a file or directory is on, seen from there, with all that is mounted below.
pub fn copy(of: impl AsFd, contract: &str) -> Result<OwnedFd, Failure> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE
        | OpenTreeFlags::AT_EMPTY_PATH;
    open_tree(of, "", flags).about(contract, "prepare a bind mount")
}

/// Attaches a mount, or moves it.
pub fn move_to(mount: &OwnedFd, target: &OwnedFd, contract: &str) -> Result<(), Failure> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(mount, "", target, "", flags).about(contract, "mount here")
}

/// Unmounts in this order; goes on after a failure and returns the first.
pub fn unmount_all(points: Vec<PathBuf>, contract: &str) -> Result<(), Failure> {
    let mut result = Ok(());
    for point in points {
        result = result.and(unmount_patiently(&point, contract));
    }
    result
}

fn unmount_patiently(point: &Path, contract: &str) -> Result<(), Failure> {
    let start = Instant::now();
    loop {
        match unmount(point, UnmountFlags::NOFOLLOW) {
            Err(Errno::BUSY) if start.elapsed() < PATIENCE => sleep(Duration::from_millis(5)),
            Err(Errno::BUSY) => {
                let _ = unmount(point, UnmountFlags::NOFOLLOW | UnmountFlags::DETACH);
                let detail = "the file system is still in use; it was taken away and goes when its last user does";
                return Err(Failure::new(ErrorCode::Busy, contract, detail));
            }
            unmounted => return unmounted.about(contract, "unmount"),
        }
    }
}
