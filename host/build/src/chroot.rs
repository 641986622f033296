//! A process that was started in a chroot(2), e.g. of mock, pbuilder or a rescue system, gets its root directory as the root of its
//! mount namespace: in a chroot the kernel makes no user namespaces, and mounts above it could not be kept from the rest of the machine.
use nix::sched::{CloneFlags, setns};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, StatxFlags, open, statx};
use rustix::io::Result;
use rustix::mount::{
    MountPropagationFlags, MoveMountFlags, OpenTreeFlags, mount_change, move_mount, open_tree,
};
use rustix::process::{chdir, chroot, fchdir};

/// The mount namespace of this process.
const NAMESPACE: &str = "/proc/self/ns/mnt";

/// Makes all mounts private and, in a chroot, its directory the root of the namespace. The mount namespace must be new, and the process
/// have one thread only.
///
/// # Errors
/// The process must not go on: its root directory may be another one.
pub(crate) fn own_mounts() -> Result<()> {
    let here = std::env::current_dir();
    let root = directory("/")?;
    let namespace = open(NAMESPACE, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    // This enters the root of the namespace, whatever was the root of the process. A container may forbid it.
    let entered = setns(&namespace, CloneFlags::CLONE_NEWNS);
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", private)?;
    if entered.is_ok() && identity(&root)? != identity(&directory("/")?)? {
        let flags = OpenTreeFlags::OPEN_TREE_CLONE
            | OpenTreeFlags::OPEN_TREE_CLOEXEC
            | OpenTreeFlags::AT_RECURSIVE
            | OpenTreeFlags::AT_EMPTY_PATH;
        let tree = open_tree(&root, "", flags)?;
        move_mount(&tree, "", CWD, "/", MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?;
        fchdir(&tree)?;
        chroot(".")?;
    }
    match here {
        Ok(here) => chdir(here),
        // It was removed, or is outside of the chroot: nothing is found there by name.
        Err(_) => Ok(()),
    }
}

/// Whether the root directory of this process is plainly that of a chroot.
pub(crate) fn is_evident() -> bool {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo");
    mounts.is_ok_and(|mounts| {
        let mut points = mounts.lines().map(|line| line.split(' ').nth(4));
        !points.any(|point| point == Some("/"))
    })
}

fn directory(path: &str) -> Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    open(path, flags, Mode::empty())
}

/// What tells one directory of one mount from all others.
fn identity(directory: impl AsFd) -> Result<(u64, u64)> {
    let flags = StatxFlags::INO | StatxFlags::MNT_ID;
    let found = statx(directory, "", AtFlags::EMPTY_PATH, flags)?;
    Ok((found.stx_mnt_id, found.stx_ino))
}
