//! System calls that helpers and tools do without.
//!
//! Both filters name what is refused, not what is allowed: tools come from build roots of any age and architecture, and a list of
//! all that they may call would fail builds for no gain. Refused is what reaches the kernel itself (modules, kexec, bpf, clocks,
//! swap), what leads around the sandbox (opening by handle, fanotify, io_uring, joining namespaces), and the mount interface unless
//! the module asked for CAP_SYS_ADMIN by name: tools have it by default for attributes and partition tables, and could otherwise
//! remount their read-only directories. System calls of another architecture's table end the caller.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::fd::OwnedFd;

use osbuild_wasm_protocol::{ErrorCode, Failure, Interface};
use rustix::fs::MemfdFlags;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

use crate::failure::About;
use crate::mount;

/// Refused to everything.
const KERNEL: &[i64] = &[
    libc::SYS_acct,
    libc::SYS_bpf,
    libc::SYS_clock_adjtime,
    libc::SYS_clock_settime,
    libc::SYS_delete_module,
    libc::SYS_fanotify_init,
    libc::SYS_finit_module,
    libc::SYS_init_module,
    libc::SYS_kexec_file_load,
    libc::SYS_kexec_load,
    libc::SYS_lookup_dcookie,
    libc::SYS_nfsservctl,
    libc::SYS_open_by_handle_at,
    libc::SYS_perf_event_open,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_reboot,
    libc::SYS_settimeofday,
    libc::SYS_swapoff,
    libc::SYS_swapon,
    libc::SYS_syslog,
    libc::SYS_vhangup,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_uselib,
];

/// Answered with "no such system call", for which programs have another way (cryptsetup without the keyring, fork without clone3).
const ABSENT: &[i64] = &[
    libc::SYS_add_key,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_io_uring_setup,
    libc::SYS_keyctl,
    libc::SYS_request_key,
    libc::SYS_userfaultfd,
];

/// The mount interface and namespaces.
const MOUNT: &[i64] = &[
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fsopen,
    libc::SYS_fspick,
    libc::SYS_mount,
    libc::SYS_mount_setattr,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_pivot_root,
    libc::SYS_setns,
    libc::SYS_umount2,
    libc::SYS_unshare,
];

/// Looking into other processes.
const PTRACE: &[i64] = &[
    libc::SYS_kcmp,
    libc::SYS_pidfd_getfd,
    libc::SYS_process_madvise,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_ptrace,
];

/// New sockets.
const NETWORK: &[i64] = &[
    libc::SYS_accept4,
    libc::SYS_bind,
    libc::SYS_connect,
    libc::SYS_listen,
    libc::SYS_socket,
];

/// New programs.
const EXECUTE: &[i64] = &[libc::SYS_execve, libc::SYS_execveat];

/// Flags of clone(2) that make namespaces (that of time namespaces exists for unshare and clone3 only).
const NAMESPACES: [i32; 7] = [
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWNS,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWUTS,
];

/// What a filter refuses: numbers of system calls, each with the arguments that are refused; none: all.
type Refused = BTreeMap<i64, Vec<SeccompRule>>;

/// Takes from this process what its interface does not need; tools inherit it.
pub fn confine(interface: Interface) -> Result<(), Failure> {
    let more = match interface {
        Interface::Loopback => &[MOUNT, PTRACE, NETWORK][..],
        // Where the kernel has no FAT, programs of a sandbox read and write it.
        Interface::Mount if mount::needs_programs() => &[PTRACE, NETWORK][..],
        Interface::Mount => &[PTRACE, NETWORK, EXECUTE][..],
        // Ciphers of the kernel are sockets.
        Interface::Crypt => &[MOUNT, PTRACE][..],
        Interface::Lvm => &[MOUNT, PTRACE, NETWORK][..],
        Interface::Ddi => &[PTRACE, NETWORK][..],
        Interface::Tree => &[MOUNT, PTRACE, NETWORK, EXECUTE][..],
        // These start bubblewrap, which mounts; the tools get a stricter filter on top.
        Interface::Rpm | Interface::Grub | Interface::QemuImg | Interface::Command => &[],
    };
    let program = compile(all_of(&[&[KERNEL], more].concat()), libc::EPERM)?;
    seccompiler::apply_filter(&program).map_err(|error| broken(&error))
}

/// The filters of a tool, as files for `bwrap --add-seccomp-fd`.
pub fn of_tools(capabilities: &[String]) -> Result<Vec<OwnedFd>, Failure> {
    let asked = |name: &str| {
        capabilities
            .iter()
            .any(|capability| capability.eq_ignore_ascii_case(name))
    };
    let mut refused = all_of(&[KERNEL]);
    let mut absent = all_of(&[ABSENT]);
    // Sockets to the hypervisor, which belong to no network namespace.
    let vsock = rule(
        0,
        SeccompCmpOp::Eq,
        u64::from(libc::AF_VSOCK.unsigned_abs()),
    )?;
    refused.insert(libc::SYS_socket, vec![vsock]);
    if !asked("CAP_SYS_ADMIN") {
        refused.extend(all_of(&[MOUNT]));
        let flags = NAMESPACES.map(|flag| u64::from(flag.unsigned_abs()));
        let clone = flags
            .into_iter()
            .map(|flag| rule(0, SeccompCmpOp::MaskedEq(flag), flag))
            .collect::<Result<_, _>>()?;
        refused.insert(libc::SYS_clone, clone);
        // Its flags are in memory where no filter sees them; glibc falls back to clone.
        absent.extend(all_of(&[&[libc::SYS_clone3]]));
    }
    if !asked("CAP_SYS_PTRACE") {
        refused.extend(all_of(&[PTRACE]));
    }
    [
        compile(absent, libc::ENOSYS)?,
        compile(refused, libc::EPERM)?,
    ]
    .iter()
    .map(to_file)
    .collect()
}

fn all_of(groups: &[&[i64]]) -> Refused {
    groups
        .iter()
        .flat_map(|group| group.iter())
        .map(|call| (*call, Vec::new()))
        .collect()
}

/// Refuses a call by one 32-bit argument.
fn rule(argument: u8, comparison: SeccompCmpOp, value: u64) -> Result<SeccompRule, Failure> {
    let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Dword, comparison, value);
    condition
        .and_then(|condition| SeccompRule::new(vec![condition]))
        .map_err(|error| broken(&error))
}

fn compile(refused: Refused, errno: i32) -> Result<BpfProgram, Failure> {
    let architecture =
        TargetArch::try_from(std::env::consts::ARCH).map_err(|error| broken(&error))?;
    let action = SeccompAction::Errno(errno.unsigned_abs());
    let filter = SeccompFilter::new(refused, SeccompAction::Allow, action, architecture)
        .map_err(|error| broken(&error))?;
    BpfProgram::try_from(filter)
        .map(without_x32)
        .map_err(|error| broken(&error))
}

fn broken(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(
        ErrorCode::Unsupported,
        "seccomp",
        format!("cannot make the filter of system calls: {error}"),
    )
}

/// The x32 table shares x86-64's architecture number: without this every refused call would be open under its x32 number.
fn without_x32(program: BpfProgram) -> BpfProgram {
    use seccompiler::sock_filter;
    if !cfg!(target_arch = "x86_64") {
        return program;
    }
    let load_number = sock_filter {
        code: (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16,
        jt: 0,
        jf: 0,
        k: 0,
    };
    let if_x32 = sock_filter {
        code: (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16,
        jt: 0,
        jf: 1,
        k: 0x4000_0000,
    };
    let refuse = u32::from(SeccompAction::Errno(libc::ENOSYS.unsigned_abs()));
    let refuse = sock_filter {
        code: (libc::BPF_RET | libc::BPF_K) as u16,
        jt: 0,
        jf: 0,
        k: refuse,
    };
    [load_number, if_x32, refuse]
        .into_iter()
        .chain(program)
        .collect()
}

fn to_file(program: &BpfProgram) -> Result<OwnedFd, Failure> {
    let mut bytes = Vec::with_capacity(program.len() * 8);
    for instruction in program {
        bytes.extend_from_slice(&instruction.code.to_ne_bytes());
        bytes.extend_from_slice(&[instruction.jt, instruction.jf]);
        bytes.extend_from_slice(&instruction.k.to_ne_bytes());
    }
    memory_file("seccomp", &bytes)
}

/// A file in memory with these bytes, to be read from its beginning.
pub fn memory_file(name: &str, bytes: &[u8]) -> Result<OwnedFd, Failure> {
    let mut file = std::fs::File::from(
        rustix::fs::memfd_create(name, MemfdFlags::CLOEXEC).about(name, "make a file in memory")?,
    );
    file.write_all(bytes)
        .about(name, "write a file in memory")?;
    rustix::fs::seek(&file, rustix::fs::SeekFrom::Start(0))
        .about(name, "rewind a file in memory")?;
    Ok(file.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_filter_compiles() {
        for calls in [KERNEL, ABSENT, MOUNT, PTRACE, NETWORK, EXECUTE] {
            assert!(!compile(all_of(&[calls]), libc::EPERM).unwrap().is_empty());
        }
        assert_eq!(of_tools(&[]).unwrap().len(), 2);
    }
}
