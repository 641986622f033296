//! What the first process of a sandbox does to itself between fork and exec.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::{Resource, Rlimit, setrlimit};
use rustix::thread::{
    CapabilitySet, CapabilitySets, LinkNameSpaceType, UnshareFlags, move_into_link_name_space,
    remove_capability_from_bounding_set, set_capabilities, set_no_new_privs, unshare_unsafe,
};

/// One instruction of a filter of system calls, `struct sock_filter`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// Operation.
    pub code: u16,
    /// Instructions skipped when a comparison holds.
    pub if_true: u8,
    /// Instructions skipped when it does not.
    pub if_false: u8,
    /// Operand.
    pub operand: u32,
}

/// `struct sock_fprog`.
#[repr(C)]
struct Program {
    length: u16,
    instructions: *const Instruction,
}

/// What a program may be, beside what it sees.
#[derive(Debug)]
pub struct Confinement {
    /// The user namespace that it becomes root of; none: that of the caller.
    pub user_namespace: Option<OwnedFd>,
    /// All capabilities that it can ever have, as bits; in its user namespace.
    pub capabilities: u64,
    /// Filters of system calls; all of them must allow a call.
    pub filters: Vec<Vec<Instruction>>,
    /// Limits of resources, soft and hard ones alike.
    pub limits: Vec<(Resource, u64)>,
    /// Its standard input is a terminal that becomes its controlling one.
    pub terminal: bool,
}

/// Number of the last capability that any kernel may have.
const LAST_CAPABILITY: u32 = 63;

/// Confines the child of `command`: a user namespace, mounts that are copies of the caller's and that it cannot loosen, a session,
/// limits, capabilities, no way to more of them, and filters, in this order.
pub fn confine(command: &mut Command, confinement: Confinement) {
    let enter = move || {
        if let Some(namespace) = &confinement.user_namespace {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::User))?;
            // The copies belong to the new user namespace, so that the kernel locks them as they are.
            // SAFETY: only CLONE_FILES makes unsharing unsound; it is not used.
            unsafe { unshare_unsafe(UnshareFlags::NEWNS) }?;
        }
        // The leader of a session already is one where a terminal was arranged before.
        rustix::process::setsid()?;
        if confinement.terminal {
            rustix::process::ioctl_tiocsctty(rustix::stdio::stdin())?;
        }
        crate::signal::end_at_the_size_of_files();
        for (resource, limit) in &confinement.limits {
            let limit = Some(*limit);
            let limits = Rlimit {
                current: limit,
                maximum: limit,
            };
            setrlimit(*resource, limits)?;
        }
        limit_capabilities(confinement.capabilities)?;
        set_no_new_privs(true)?;
        confinement
            .filters
            .iter()
            .try_for_each(|filter| install(filter))
    };
    // SAFETY: between fork and exec the closure makes system calls only: no allocation, no lock. It owns what it uses.
    unsafe { command.pre_exec(enter) };
}

/// Leaves the calling thread these capabilities and no way to others.
fn limit_capabilities(allowed: u64) -> io::Result<()> {
    for number in 0..=LAST_CAPABILITY {
        let capability = 1 << number;
        if allowed & capability == 0 {
            match remove_capability_from_bounding_set(CapabilitySet::from_bits_retain(capability)) {
                // There are fewer.
                Err(rustix::io::Errno::INVAL) => break,
                removed => removed?,
            }
        }
    }
    let allowed = CapabilitySet::from_bits_retain(allowed);
    let sets = CapabilitySets {
        effective: allowed,
        permitted: allowed,
        inheritable: CapabilitySet::empty(),
    };
    Ok(set_capabilities(None, sets)?)
}

fn install(filter: &[Instruction]) -> io::Result<()> {
    let program = Program {
        length: u16::try_from(filter.len())
            .map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?,
        instructions: filter.as_ptr(),
    };
    // SAFETY: `Program` and `Instruction` mirror the kernel's structures, which are read during the call only.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            0,
            &raw const program,
        )
    };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn confined(capabilities: u64, script: &str) -> String {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        let confinement = Confinement {
            user_namespace: None,
            capabilities,
            filters: Vec::new(),
            limits: vec![(Resource::Core, 0)],
            terminal: false,
        };
        confine(&mut command, confinement);
        let output = command.output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn a_confined_program_has_the_given_capabilities_and_no_way_to_others() {
        let script = "grep -E '^(Cap(Prm|Eff|Bnd|Inh)|NoNewPrivs)' /proc/self/status; ulimit -c";
        let have = rustix::thread::capabilities(None).unwrap().permitted.bits();
        let wanted = 0x1 & have;
        let bits = format!("{wanted:016x}");
        let none = "0".repeat(16);
        let expected = format!(
            "CapInh:\t{none}\nCapPrm:\t{bits}\nCapEff:\t{bits}\nCapBnd:\t{bits}\nNoNewPrivs:\t1\n0\n"
        );
        if rustix::process::geteuid().is_root() {
            assert_eq!(confined(wanted, script), expected);
        }
    }
}
