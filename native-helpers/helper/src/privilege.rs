//! Linux capabilities of this process, its sessions and their tools.

use std::str::FromStr;

use caps::{CapSet, Capability, CapsHashSet};
use osbuild_wasm_protocol::{ErrorCode, Failure, Interface};

use crate::failure::invalid;

/// What every tool gets (as far as this process has it): osbuild's default set.
const DEFAULT: [Capability; 19] = [
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
    Capability::CAP_SYS_ADMIN,
    Capability::CAP_SYS_CHROOT,
    Capability::CAP_SYS_NICE,
    Capability::CAP_SYS_RESOURCE,
];

/// What a module may ask for beyond that; nothing else is ever handed to a tool.
const ON_REQUEST: [Capability; 3] = [
    Capability::CAP_MAC_ADMIN,
    Capability::CAP_NET_ADMIN,
    Capability::CAP_SYS_PTRACE,
];

/// What an interface needs at most.
fn needed(interface: Interface) -> Vec<Capability> {
    use Capability::{
        CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER, CAP_IPC_LOCK, CAP_MAC_ADMIN,
        CAP_MKNOD, CAP_SETFCAP, CAP_SYS_ADMIN, CAP_SYS_RESOURCE,
    };
    match interface {
        Interface::Loopback => vec![
            CAP_SYS_ADMIN,
            CAP_DAC_OVERRIDE,
            CAP_DAC_READ_SEARCH,
            CAP_MKNOD,
        ],
        // CHOWN for the directory that stands for FAT where the kernel has none.
        Interface::Mount => vec![
            CAP_SYS_ADMIN,
            CAP_DAC_OVERRIDE,
            CAP_DAC_READ_SEARCH,
            CAP_CHOWN,
        ],
        // Their programs make nodes, and keep keys and themselves from being swapped out.
        Interface::Crypt | Interface::Lvm => vec![
            CAP_SYS_ADMIN,
            CAP_DAC_OVERRIDE,
            CAP_DAC_READ_SEARCH,
            CAP_IPC_LOCK,
            CAP_MKNOD,
            CAP_SYS_RESOURCE,
        ],
        Interface::Ddi => vec![
            CAP_SYS_ADMIN,
            CAP_DAC_OVERRIDE,
            CAP_DAC_READ_SEARCH,
            CAP_MKNOD,
        ],
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
        // NET_ADMIN also for the loopback interface of the sandbox.
        Interface::Rpm | Interface::Grub | Interface::QemuImg | Interface::Command => {
            DEFAULT.into_iter().chain(ON_REQUEST).collect()
        }
    }
}

/// Gives up everything that the interface does not need, for this process and all that it will start.
pub fn keep_for(interface: Interface) -> Result<(), Failure> {
    let needed = needed(interface).into_iter().collect();
    let have = caps::read(None, CapSet::Effective).map_err(|error| broken(&error))?;
    if !have.contains(&Capability::CAP_SYS_ADMIN) {
        let detail = format!(
            "the {interface} helper needs CAP_SYS_ADMIN: run as root or in a user namespace"
        );
        return Err(Failure::new(
            ErrorCode::NotPermitted,
            interface.as_str(),
            detail,
        ));
    }
    limit(&needed)
}

/// Checks that a grant's extra capabilities are known and here.
pub fn check(names: &[String]) -> Result<(), Failure> {
    let have = caps::read(None, CapSet::Permitted).map_err(|error| broken(&error))?;
    for name in names {
        let capability =
            Capability::from_str(name).map_err(|_| invalid(name, "no such Linux capability"))?;
        if !DEFAULT.contains(&capability) && !ON_REQUEST.contains(&capability) {
            return Err(missing(name, "no module can get this capability"));
        }
        if !have.contains(&capability) {
            return Err(missing(
                name,
                "the module needs this capability, and the runtime does not have it on this machine",
            ));
        }
    }
    Ok(())
}

/// The capabilities of a session's tools: the default ones that are here, and those of the grant (checked before).
pub fn of_tools(names: &[String]) -> Result<CapsHashSet, Failure> {
    let have = caps::read(None, CapSet::Permitted).map_err(|error| broken(&error))?;
    let asked = names
        .iter()
        .filter_map(|name| Capability::from_str(name).ok());
    Ok(DEFAULT
        .into_iter()
        .chain(asked)
        .filter(|capability| have.contains(capability))
        .collect())
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
