//! Linux capabilities of this process, its sessions and their tools.

use std::os::fd::OwnedFd;
use std::process::Command;
use std::str::FromStr;
use std::sync::OnceLock;

use caps::{CapSet, Capability, CapsHashSet};
use osbuild_wasm_protocol::{ErrorCode, Failure, Interface};
use osbuild_wasm_sys::namespace;
use rustix::io::Errno;

use crate::failure::{About, invalid};

/// Word of the command line of a process that does nothing but hold a user namespace.
pub const HOLD: &str = "hold";

/// What every program gets in its user namespace: osbuild's default set but CAP_SYS_ADMIN, which there is good for mounts alone.
const DEFAULT: [Capability; 18] = [
    Capability::CAP_AUDIT_WRITE,
    Capability::CAP_CHOWN,
    Capability::CAP_DAC_OVERRIDE,
    Capability::CAP_DAC_READ_SEARCH,
    Capability::CAP_FOWNER,
    Capability::CAP_FSETID,
    Capability::CAP_IPC_LOCK,
    Capability::CAP_LINUX_IMMUTABLE,
    Capability::CAP_MAC_OVERRIDE,
    Capability::CAP_MKNOD,
    Capability::CAP_NET_BIND_SERVICE,
    Capability::CAP_SETFCAP,
    Capability::CAP_SETGID,
    Capability::CAP_SETPCAP,
    Capability::CAP_SETUID,
    Capability::CAP_SYS_CHROOT,
    Capability::CAP_SYS_NICE,
    Capability::CAP_SYS_RESOURCE,
];

/// What a program that works on files of the machine itself gets beside the capabilities that it was granted by name.
const FILES: [Capability; 6] = [
    Capability::CAP_CHOWN,
    Capability::CAP_DAC_OVERRIDE,
    Capability::CAP_DAC_READ_SEARCH,
    Capability::CAP_FOWNER,
    Capability::CAP_FSETID,
    Capability::CAP_SETFCAP,
];

/// What a module may ask for beyond that; nothing else is ever handed to a program.
const ON_REQUEST: [Capability; 4] = [
    Capability::CAP_MAC_ADMIN,
    Capability::CAP_NET_ADMIN,
    Capability::CAP_SYS_ADMIN,
    Capability::CAP_SYS_PTRACE,
];

/// What makes a sandbox: namespaces, mounts, the map of a user namespace.
const SANDBOX: [Capability; 7] = [
    Capability::CAP_DAC_OVERRIDE,
    Capability::CAP_DAC_READ_SEARCH,
    Capability::CAP_SETFCAP,
    Capability::CAP_SETGID,
    Capability::CAP_SETPCAP,
    Capability::CAP_SETUID,
    Capability::CAP_SYS_ADMIN,
];

/// What an interface needs at most.
fn needed(interface: Interface) -> Vec<Capability> {
    use Capability::{
        CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER, CAP_IPC_LOCK, CAP_MAC_ADMIN,
        CAP_MKNOD, CAP_SETFCAP, CAP_SYS_ADMIN, CAP_SYS_NICE, CAP_SYS_RESOURCE,
    };
    match interface {
        // Its program reads tables of partitions.
        Interface::Loopback => with_sandbox(&[CAP_MKNOD]),
        // CHOWN for the directory that stands for FAT where the kernel has none, FOWNER for the times of files without their holes, a
        // sandbox for its programs.
        Interface::Mount => with_sandbox(&[CAP_CHOWN, CAP_FOWNER]),
        // Their programs make nodes and give them owners, keep keys and themselves from being swapped out, and hurry while a device
        // waits for them.
        Interface::Crypt | Interface::Lvm => with_sandbox(&[
            CAP_CHOWN,
            CAP_IPC_LOCK,
            CAP_MKNOD,
            CAP_SYS_NICE,
            CAP_SYS_RESOURCE,
        ]),
        // Its program mounts, and grows file systems.
        Interface::Ddi => with_sandbox(&[CAP_SYS_RESOURCE]),
        Interface::Tree => {
            vec![
                CAP_SYS_ADMIN,
                CAP_DAC_OVERRIDE,
                CAP_DAC_READ_SEARCH,
                CAP_FOWNER,
                CAP_SETFCAP,
                CAP_MAC_ADMIN,
            ]
        }
        // Its program gives files of shared directories their owners.
        Interface::Machine => with_sandbox(&DEFAULT),
        // NET_ADMIN also for the loopback interface of the sandbox.
        Interface::Rpm | Interface::Grub | Interface::QemuImg | Interface::Command => {
            with_sandbox(&[DEFAULT.as_slice(), &ON_REQUEST].concat())
        }
    }
}

fn with_sandbox(more: &[Capability]) -> Vec<Capability> {
    SANDBOX.iter().chain(more).copied().collect()
}

/// Gives up everything that the interface does not need, for this process and all that it will start.
pub fn keep_for(interface: Interface) -> Result<(), Failure> {
    let needed = needed(interface).into_iter().collect();
    let have = caps::read(None, CapSet::Effective).map_err(|error| broken(&error))?;
    if !have.contains(&Capability::CAP_SYS_ADMIN) {
        let detail = format!(
            "the {interface} helper needs CAP_SYS_ADMIN, which root does not have here: start a container with --privileged, or with --cap-add=SYS_ADMIN and --security-opt=seccomp=unconfined"
        );
        return Err(Failure::new(
            ErrorCode::NotPermitted,
            interface.as_str(),
            detail,
        ));
    }
    limit(&needed)
}

/// Checks that the capabilities of a grant are such that a module can get.
pub fn check(names: &[String]) -> Result<(), Failure> {
    for name in names {
        let capability =
            Capability::from_str(name).map_err(|_| invalid(name, "no such Linux capability"))?;
        if !DEFAULT.contains(&capability) && !ON_REQUEST.contains(&capability) {
            return Err(missing(name, "no module can get this capability"));
        }
    }
    Ok(())
}

/// Names of the capabilities of a session's program: in its user namespace all that programs usually have, on the machine itself
/// (`privileged`) just what was granted by name and what working on files takes.
pub fn of_programs(granted: &[String], privileged: bool) -> Result<Vec<String>, Failure> {
    let usual = if privileged { &FILES[..] } else { &DEFAULT[..] };
    let mut names: Vec<_> = usual.iter().map(ToString::to_string).collect();
    names.extend(granted.iter().cloned());
    if privileged {
        let have = caps::read(None, CapSet::Permitted).map_err(|error| broken(&error))?;
        let lacks = |name: &&String| {
            !Capability::from_str(name).is_ok_and(|capability| have.contains(&capability))
        };
        if let Some(name) = names.iter().find(lacks) {
            let detail = "the module needs this capability of the machine, and the runtime does not have it here";
            return Err(missing(name, detail));
        }
    }
    Ok(names)
}

/// Names of the capabilities of the machine that programs get which a helper of this interface runs on its own account, as far as this
/// process has them.
pub fn of_machine(interface: Interface) -> Result<Vec<String>, Failure> {
    let needed = match interface {
        Interface::Loopback => vec![Capability::CAP_SYS_ADMIN],
        Interface::Ddi => vec![
            Capability::CAP_SYS_ADMIN,
            Capability::CAP_SYS_RESOURCE,
            Capability::CAP_DAC_OVERRIDE,
            Capability::CAP_DAC_READ_SEARCH,
        ],
        // They make nodes and give them owners, and keep keys and themselves from being swapped out.
        _ => vec![
            Capability::CAP_CHOWN,
            Capability::CAP_SYS_ADMIN,
            Capability::CAP_IPC_LOCK,
            Capability::CAP_MKNOD,
            Capability::CAP_SYS_NICE,
            Capability::CAP_SYS_RESOURCE,
        ],
    };
    let have = caps::read(None, CapSet::Permitted).map_err(|error| broken(&error))?;
    let there = needed.iter().filter(|capability| have.contains(capability));
    Ok(there.map(ToString::to_string).collect())
}

/// A set of capabilities as the kernel writes it.
pub fn bits(names: &[String]) -> Result<u64, Failure> {
    names.iter().try_fold(0, |bits, name| {
        let capability =
            Capability::from_str(name).map_err(|_| invalid(name, "no such Linux capability"))?;
        Ok(bits | capability.bitmask())
    })
}

/// The user namespace that programs are root of: one for this process, with all ids that it has itself.
pub fn user_namespace() -> Result<OwnedFd, Failure> {
    static NAMESPACE: OnceLock<Result<OwnedFd, Failure>> = OnceLock::new();
    let made = NAMESPACE.get_or_init(|| {
        let mut holder = Command::new("/proc/self/exe");
        holder.arg(HOLD).env_clear();
        let refused = |error: std::io::Error| {
            let remedy = match Errno::from_io_error(&error) {
                Some(Errno::NOSPC | Errno::USERS) => {
                    ": there are as many as sysctl user.max_user_namespaces allows, or they are nested too deep"
                }
                Some(Errno::PERM) => {
                    ": a chroot, a container or a security module forbids it (on Ubuntu sysctl kernel.apparmor_restrict_unprivileged_userns): build outside of it"
                }
                Some(Errno::AGAIN) => ": raise the limit of processes (`ulimit -u`)",
                _ => "",
            };
            let detail =
                format!("cannot make a user namespace for programs ({error}){remedy}");
            Failure::new(ErrorCode::NotPermitted, "", detail)
        };
        namespace::user_namespace(&mut holder).map_err(refused)
    });
    let namespace = made.as_ref().map_err(Clone::clone)?;
    namespace.try_clone().about("", "copy a descriptor")
}

/// Limits the calling thread, and what it starts, to `allowed`: no way back, not even by a set-id program.
pub fn limit(allowed: &CapsHashSet) -> Result<(), Failure> {
    let broken = |error: caps::errors::CapsError| broken(&error);
    let bounding = caps::read(None, CapSet::Bounding).map_err(broken)?;
    for capability in bounding.difference(allowed) {
        caps::drop(None, CapSet::Bounding, *capability).map_err(broken)?;
    }
    let permitted: CapsHashSet = caps::read(None, CapSet::Permitted)
        .map_err(broken)?
        .intersection(allowed)
        .copied()
        .collect();
    caps::clear(None, CapSet::Ambient).map_err(broken)?;
    caps::clear(None, CapSet::Inheritable).map_err(broken)?;
    caps::set(None, CapSet::Effective, &permitted).map_err(broken)?;
    caps::set(None, CapSet::Permitted, &permitted).map_err(broken)
}

fn missing(name: &str, detail: &str) -> Failure {
    Failure::new(ErrorCode::NotPermitted, name, detail)
}

fn broken(error: &caps::errors::CapsError) -> Failure {
    Failure::new(
        ErrorCode::NotPermitted,
        "",
        format!("cannot limit the helper's capabilities: {error}"),
    )
}
