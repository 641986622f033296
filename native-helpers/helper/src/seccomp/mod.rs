//! System calls that helpers and programs may make.
//!
//! Programs get a list of what there is ([`calls`]): anything else, and so whatever a later kernel brings, does not exist for them. Of
//! ioctl(2) they get a list of requests ([`requests`]). Of the helpers, which are ours, only what an interface has no use for is
//! refused. System calls of another architecture's table end the caller.

mod calls;
mod requests;

use std::collections::BTreeMap;
use std::io::Write;
use std::os::fd::OwnedFd;

use osbuild_wasm_protocol::{ErrorCode, Failure, Interface};
use osbuild_wasm_sys::enter::Instruction;
use rustix::fs::MemfdFlags;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

use self::calls::{MOUNT, TRACE};
use crate::failure::About;
use crate::mount;

/// Refused to every helper.
const KERNEL: &[i64] = calls::REFUSED;

/// More of x86-64.
#[cfg(target_arch = "x86_64")]
const PORTS: &[i64] = &[libc::SYS_ioperm, libc::SYS_iopl, libc::SYS_uselib];
#[cfg(not(target_arch = "x86_64"))]
const PORTS: &[i64] = &[];

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
        // These start sandboxes, which mount; the programs get a stricter filter on top.
        Interface::Loopback | Interface::Lvm | Interface::Ddi | Interface::Machine => {
            &[TRACE, NETWORK][..]
        }
        Interface::Mount if mount::needs_programs() => &[TRACE, NETWORK][..],
        Interface::Mount => &[TRACE, NETWORK, EXECUTE][..],
        // Ciphers of the kernel are sockets.
        Interface::Crypt => &[TRACE][..],
        Interface::Tree => &[MOUNT, TRACE, NETWORK, EXECUTE][..],
        Interface::Rpm | Interface::Grub | Interface::QemuImg | Interface::Command => &[],
    };
    let program = compile(all_of(&[&[KERNEL, PORTS], more].concat()), libc::EPERM)?;
    seccompiler::apply_filter(&program).map_err(|error| broken(&error))
}

/// What requests of ioctl(2) a program needs beside those of every program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requests {
    Usual,
    /// Its capabilities are those of the machine.
    OfMachine,
    /// It runs virtual machines.
    OfVirtualization,
}

/// What of a program is measured while it runs, so that it must not do what cannot be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    /// What it writes.
    pub written: bool,
    /// Its memory: no control group limits that.
    pub memory: bool,
}

/// The filters of a program with these capabilities.
pub fn of_programs(
    capabilities: &[String],
    more: Requests,
    measured: Measured,
) -> Result<Vec<Vec<Instruction>>, Failure> {
    let has = |name: &str| {
        capabilities
            .iter()
            .any(|capability| capability.eq_ignore_ascii_case(name))
    };
    let mut refused = all_of(&[calls::REFUSED, PORTS]);
    refused.insert(libc::SYS_socket, vec![other_families()?]);
    let mut allowed: Vec<i64> = calls::ALLOWED
        .iter()
        .flat_map(|list| list.iter())
        .copied()
        .collect();
    // Filters that refuse look at some of these more closely.
    allowed.extend([libc::SYS_clone, libc::SYS_ioctl, libc::SYS_socket]);
    allowed.extend(
        calls::NEW
            .iter()
            .chain(calls::REFUSED)
            .chain(PORTS)
            .chain(MOUNT)
            .chain(TRACE),
    );
    if !has("CAP_SYS_ADMIN") {
        refused.extend(all_of(&[MOUNT]));
        refused.insert(libc::SYS_clone, with_flags(&NAMESPACES)?);
    } else {
        // In a namespace of its own making, a program could mount the machine's control groups and raise its limits there. clone3 does
        // not exist for it either: its flags are in memory where no filter sees them, and without it glibc falls back to clone.
        let mut namespaces = vec![libc::CLONE_NEWCGROUP];
        if measured.memory {
            // Shared memory and sockets are looked at in the namespaces of the sandbox, files in memory where it has them.
            namespaces.extend([libc::CLONE_NEWIPC, libc::CLONE_NEWNET]);
            refused.insert(libc::SYS_fsopen, Vec::new());
            let others = SeccompCmpOp::MaskedEq(OF_OTHER_MOUNTS);
            refused.insert(libc::SYS_mount, vec![rule(3, others, 0)?]);
        }
        for call in [libc::SYS_clone, libc::SYS_unshare] {
            refused.insert(call, with_flags(&namespaces)?);
        }
    }
    if measured.memory {
        let resize = SeccompCmpOp::Eq;
        let rules = vec![rule(1, resize, libc::F_SETPIPE_SZ.unsigned_abs().into())?];
        refused.insert(libc::SYS_fcntl, rules);
    }
    if !has("CAP_SYS_PTRACE") {
        refused.extend(all_of(&[TRACE]));
    }
    let of_machine = (more == Requests::OfMachine).then(requests::of_machine);
    let family = (more == Requests::OfVirtualization).then_some(requests::KVM);
    let filters = [
        instructions(&compile(refused, libc::EPERM)?),
        only_calls(&allowed)?,
        only_requests(
            requests::allowed().chain(of_machine.into_iter().flatten()),
            family,
        ),
    ];
    let without = not_measured(measured)?;
    Ok(filters.into_iter().chain(without).collect())
}

/// Flags of mount(2) with which it changes or moves a mount that is there (`MS_REMOUNT` and so on).
const OF_OTHER_MOUNTS: u64 = libc::MS_REMOUNT
    | libc::MS_BIND
    | libc::MS_MOVE
    | libc::MS_SHARED
    | libc::MS_PRIVATE
    | libc::MS_SLAVE
    | libc::MS_UNBINDABLE;

/// Filters for which this kernel does not offer what cannot be measured: space without writing, which takes no time and would be gone
/// before the next look; rules that the kernel keeps in a descriptor; and pages that stay in a pipe or a socket when no process has them
/// any more, each with all that it is a part of.
fn not_measured(measured: Measured) -> Result<Vec<Vec<Instruction>>, Failure> {
    let (mut unsupported, mut invalid) = (Refused::new(), Refused::new());
    if measured.written {
        let punch = u64::from(libc::FALLOC_FL_PUNCH_HOLE.unsigned_abs());
        let rules = vec![rule(1, SeccompCmpOp::MaskedEq(punch), 0)?];
        unsupported.insert(libc::SYS_fallocate, rules);
    }
    if measured.memory {
        unsupported.insert(libc::SYS_landlock_create_ruleset, Vec::new());
        // Programs read and write then, as with descriptors that cannot do this.
        invalid = all_of(&[&[
            libc::SYS_sendfile,
            libc::SYS_splice,
            libc::SYS_tee,
            libc::SYS_vmsplice,
        ]]);
    }
    let filters = [(unsupported, libc::EOPNOTSUPP), (invalid, libc::EINVAL)].into_iter();
    filters
        .filter(|(calls, _)| !calls.is_empty())
        .map(|(calls, errno)| compile(calls, errno).map(|program| instructions(&program)))
        .collect()
}

/// Calls whose first argument has any of these flags.
fn with_flags(flags: &[i32]) -> Result<Vec<SeccompRule>, Failure> {
    let flags = flags.iter().map(|flag| u64::from(flag.unsigned_abs()));
    flags
        .map(|flag| rule(0, SeccompCmpOp::MaskedEq(flag), flag))
        .collect()
}

/// Sockets of other families than these: those of the hypervisor, for example, belong to no network namespace.
fn other_families() -> Result<SeccompRule, Failure> {
    let known = [
        libc::AF_UNIX,
        libc::AF_INET,
        libc::AF_INET6,
        libc::AF_NETLINK,
        libc::AF_ALG,
    ];
    let other = |family: i32| {
        SeccompCondition::new(
            0,
            SeccompCmpArgLen::Dword,
            SeccompCmpOp::Ne,
            u64::from(family.unsigned_abs()),
        )
    };
    let conditions = known.into_iter().map(other).collect::<Result<Vec<_>, _>>();
    conditions
        .and_then(SeccompRule::new)
        .map_err(|error| broken(&error))
}

/// A filter for which no other system calls exist.
fn only_calls(allowed: &[i64]) -> Result<Vec<Instruction>, Failure> {
    let filter = SeccompFilter::new(
        all_of(&[allowed]),
        SeccompAction::Errno(libc::ENOSYS.unsigned_abs()),
        SeccompAction::Allow,
        architecture()?,
    );
    let program = filter.and_then(BpfProgram::try_from);
    program
        .map(|program| instructions(&program))
        .map_err(|error| broken(&error))
}

/// A filter for which files know no other requests than these, and those of a family.
fn only_requests(allowed: impl Iterator<Item = u32>, family: Option<u8>) -> Vec<Instruction> {
    /// Where `struct seccomp_data` has the number of the call, and the lower half of its second argument.
    const NUMBER: u32 = 0;
    const REQUEST: u32 = if cfg!(target_endian = "little") {
        24
    } else {
        28
    };
    let load = |operand| Instruction {
        code: (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16,
        if_true: 0,
        if_false: 0,
        operand,
    };
    let equals = |operand, if_true, if_false| Instruction {
        code: (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16,
        if_true,
        if_false,
        operand,
    };
    let answer = |action: SeccompAction| Instruction {
        code: (libc::BPF_RET | libc::BPF_K) as u16,
        if_true: 0,
        if_false: 0,
        operand: u32::from(action),
    };
    let ioctl = u32::try_from(libc::SYS_ioctl).unwrap_or(u32::MAX);
    let mut filter = vec![
        load(NUMBER),
        equals(ioctl, 1, 0),
        answer(SeccompAction::Allow),
        load(REQUEST),
    ];
    let not_permitted = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let refused = requests::NOT_PERMITTED.map(|request| (request, not_permitted.clone()));
    let allowed = allowed.map(|request| (request, SeccompAction::Allow));
    let not_done = requests::NOT_DONE.map(|request| (request, SeccompAction::Errno(0)));
    for (request, action) in allowed.chain(refused).chain(not_done) {
        filter.extend([equals(request, 0, 1), answer(action)]);
    }
    if let Some(family) = family {
        let mask = Instruction {
            code: (libc::BPF_ALU | libc::BPF_AND | libc::BPF_K) as u16,
            if_true: 0,
            if_false: 0,
            operand: 0xff00,
        };
        let ours = equals(u32::from(family) << 8, 0, 1);
        filter.extend([mask, ours, answer(SeccompAction::Allow)]);
    }
    filter.push(answer(SeccompAction::Errno(libc::ENOTTY.unsigned_abs())));
    filter
}

fn instructions(program: &BpfProgram) -> Vec<Instruction> {
    let instruction = |from: &seccompiler::sock_filter| Instruction {
        code: from.code,
        if_true: from.jt,
        if_false: from.jf,
        operand: from.k,
    };
    program.iter().map(instruction).collect()
}

fn architecture() -> Result<TargetArch, Failure> {
    TargetArch::try_from(std::env::consts::ARCH).map_err(|error| broken(&error))
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
    let architecture = architecture()?;
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
        for calls in [KERNEL, PORTS, MOUNT, TRACE, NETWORK, EXECUTE] {
            assert!(!compile(all_of(&[calls]), libc::EPERM).unwrap().is_empty());
        }
        for capabilities in [
            &[][..],
            &["CAP_SYS_ADMIN".to_owned()],
            &["CAP_SYS_PTRACE".to_owned()],
        ] {
            let measured = Measured {
                written: true,
                memory: true,
            };
            let filters = of_programs(capabilities, Requests::OfVirtualization, measured).unwrap();
            // The kernel takes 4,096 instructions at most.
            assert!(
                filters
                    .iter()
                    .all(|filter| (1..4096).contains(&filter.len()))
            );
        }
    }

    #[test]
    fn no_call_is_both_there_and_refused() {
        let allowed: Vec<_> = calls::ALLOWED.iter().flat_map(|list| list.iter()).collect();
        for call in [calls::REFUSED, PORTS, MOUNT, TRACE]
            .iter()
            .flat_map(|list| list.iter())
        {
            assert!(!allowed.contains(&call), "{call}");
        }
    }
}
