//! Namespaces of the calling thread.

use std::os::fd::AsFd;

use rustix::io::Result;
use rustix::ioctl::{self, Opcode, Setter};
use rustix::mount::{MountPropagationFlags, mount_change};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use rustix::thread::{UnshareFlags, unshare_unsafe};

const SIOCSIFFLAGS: Opcode = 0x8914;
const IFF_UP: i16 = 1;

/// `struct ifreq` as SIOCSIFFLAGS uses it: a name of 16 bytes, the flags, and the rest of a union of 24 bytes.
#[repr(C)]
struct InterfaceFlags {
    name: [u8; 16],
    flags: i16,
    rest: [u8; 22],
}

/// Gives the calling thread, and what it starts, a network of its own that has nothing but a loopback interface.
///
/// # Errors
/// `PERM` without CAP_SYS_ADMIN and CAP_NET_ADMIN.
pub fn private_network() -> Result<()> {
    // SAFETY: only CLONE_FILES makes unsharing unsound (descriptors that other threads count on); it is not used.
    unsafe { unshare_unsafe(UnshareFlags::NEWNET) }?;
    let socket = socket_with(
        AddressFamily::INET,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    let mut request = InterfaceFlags {
        name: [0; 16],
        flags: IFF_UP,
        rest: [0; 22],
    };
    request.name[..2].copy_from_slice(b"lo");
    // SAFETY: SIOCSIFFLAGS reads one `struct ifreq`, which `InterfaceFlags` mirrors in layout and size.
    unsafe {
        ioctl::ioctl(
            socket.as_fd(),
            Setter::<SIOCSIFFLAGS, InterfaceFlags>::new(request),
        )
    }
}

/// Gives the calling thread, and what it starts, mounts of its own: nothing that it mounts is seen elsewhere or outlives it.
///
/// # Errors
/// `PERM` without CAP_SYS_ADMIN.
pub fn private_mounts() -> Result<()> {
    // SAFETY: as above, CLONE_FILES is not used.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS) }?;
    mount_change(
        "/",
        MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
    )
}

/// Makes the next process that the calling thread starts the first one of a process namespace: when it ends, for whatever reason, the
/// kernel kills all that it started before it can be waited for. The thread can start nothing afterwards and should end.
///
/// # Errors
/// `PERM` without CAP_SYS_ADMIN, `INVAL` the second time on one thread.
pub fn private_processes() -> Result<()> {
    // SAFETY: as above, CLONE_FILES is not used.
    unsafe { unshare_unsafe(UnshareFlags::NEWPID) }
}
