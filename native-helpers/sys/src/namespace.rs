//! Namespaces of the calling thread.

use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::fs::{Mode, OFlags};
use rustix::io::{Errno, Result};
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

/// Gives the calling thread, and what it starts, names of its own: those of the machine, of message queues and shared memory, and,
/// where the kernel has them, of control groups.
///
/// # Errors
/// `PERM` without CAP_SYS_ADMIN.
pub fn private_names() -> Result<()> {
    // SAFETY: as above, CLONE_FILES is not used.
    unsafe { unshare_unsafe(UnshareFlags::NEWIPC | UnshareFlags::NEWUTS) }?;
    // SAFETY: as above.
    match unsafe { unshare_unsafe(UnshareFlags::NEWCGROUP) } {
        Err(Errno::INVAL) => Ok(()),
        unshared => unshared,
    }
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

/// Files of a process that say which ids stand for which, see user_namespaces(7).
const MAPS: [&str; 2] = ["uid_map", "gid_map"];

/// What a user namespace made here may have at most, as files of /proc/sys/user, where its creator can lower it: it all counts as its
/// creator's too, who would run out of it for the whole machine.
const SHARES: [(&CStr, &[u8]); 11] = [
    (c"/proc/sys/user/max_inotify_instances", b"16"),
    (c"/proc/sys/user/max_inotify_watches", b"4096"),
    (c"/proc/sys/user/max_fanotify_groups", b"0"),
    (c"/proc/sys/user/max_cgroup_namespaces", b"0"),
    (c"/proc/sys/user/max_ipc_namespaces", b"64"),
    (c"/proc/sys/user/max_mnt_namespaces", b"256"),
    (c"/proc/sys/user/max_net_namespaces", b"64"),
    (c"/proc/sys/user/max_pid_namespaces", b"64"),
    (c"/proc/sys/user/max_time_namespaces", b"0"),
    (c"/proc/sys/user/max_user_namespaces", b"64"),
    (c"/proc/sys/user/max_uts_namespaces", b"64"),
];

/// Leaves the user namespace of the calling process its shares. There is no file of what a kernel does not count, and none can be written
/// in a container whose /proc is read-only.
fn share() -> Result<()> {
    for (file, most) in SHARES {
        if let Ok(file) = rustix::fs::open(file, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty()) {
            rustix::io::write(file, most)?;
        }
    }
    Ok(())
}

/// A new user namespace in which every id of this process's one stands for itself. `holder` is a program that ends when its standard
/// input does; it holds the namespace until there is a descriptor of it.
///
/// # Errors
/// `PERM` without CAP_SETUID, CAP_SETGID and CAP_SETFCAP, or where the machine forbids user namespaces; `NOSPC` when it allows no more.
pub fn user_namespace(holder: &mut Command) -> std::io::Result<OwnedFd> {
    let unshare = || {
        // SAFETY: it unshares no descriptors.
        unsafe { unshare_unsafe(UnshareFlags::NEWUSER) }?;
        Ok(share()?)
    };
    // SAFETY: between fork and exec system calls only: no allocation, no lock.
    unsafe { holder.pre_exec(unshare) };
    let mut child = holder.stdin(Stdio::piped()).spawn()?;
    let process = PathBuf::from(format!("/proc/{}", child.id()));
    let made = || {
        for map in MAPS {
            let own = std::fs::read_to_string(Path::new("/proc/self").join(map))?;
            std::fs::write(process.join(map), identity(&own))?;
        }
        std::fs::File::open(process.join("ns/user")).map(OwnedFd::from)
    };
    let namespace = made();
    drop(child.stdin.take());
    child.wait()?;
    namespace
}

/// The map that gives each id of a map itself.
fn identity(own: &str) -> String {
    let lines = own.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let (inside, count) = (words.next()?, words.nth(1)?);
        Some(format!("{inside} {inside} {count}\n"))
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_of_itself_has_the_ids_that_are_there() {
        assert_eq!(
            identity("         0          0 4294967295\n"),
            "0 0 4294967295\n"
        );
        assert_eq!(identity("0 1000 1\n1 100000 65536\n"), "0 0 1\n1 1 65536\n");
    }
}
