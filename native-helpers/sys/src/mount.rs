//! Attributes of mounts, see mount_setattr(2).

use std::os::fd::{AsFd, AsRawFd};

use rustix::io::{Errno, Result};
use rustix::mount::{MountAttrFlags, MountPropagationFlags};

/// `struct mount_attr` of its first size.
#[repr(C)]
struct MountAttr {
    set: u64,
    clear: u64,
    propagation: u64,
    user_namespace: u64,
}

/// Sets and clears attributes of the mount that an open file is on, and of all that is mounted below it there; what is mounted
/// elsewhere no longer appears in any of them, nor the other way round.
///
/// # Errors
/// `PERM` without CAP_SYS_ADMIN or for a locked attribute, `INVAL` when the mount is none of this namespace.
pub fn set_attributes(mount: impl AsFd, set: MountAttrFlags, clear: MountAttrFlags) -> Result<()> {
    change(mount, set, clear, libc::AT_RECURSIVE)
}

/// Sets attributes of the mount that an open file is on, and of none below it.
///
/// # Errors
/// As [`set_attributes`].
pub fn set_own_attributes(mount: impl AsFd, set: MountAttrFlags) -> Result<()> {
    change(mount, set, MountAttrFlags::empty(), 0)
}

fn change(mount: impl AsFd, set: MountAttrFlags, clear: MountAttrFlags, how: i32) -> Result<()> {
    let attributes = MountAttr {
        set: u64::from(set.bits()),
        clear: u64::from(clear.bits()),
        propagation: u64::from(MountPropagationFlags::PRIVATE.bits()),
        user_namespace: 0,
    };
    // SAFETY: the path is a string that ends in a zero byte, and the kernel reads as many bytes of `attributes` as it is told.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_fd().as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH | how,
            &raw const attributes,
            size_of::<MountAttr>(),
        )
    };
    match result {
        0 => Ok(()),
        _ => Err(last_error()),
    }
}

fn last_error() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}
