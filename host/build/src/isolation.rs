//! What the host does to itself before anything untrusted is read: a mount namespace of its own, and no more capabilities than
//! owning files in a tree takes.
use crate::failure::{BuildError, Result};
use caps::{CapSet, Capability, CapsHashSet};
use nix::sched::{CloneFlags, unshare};
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};
use rustix::mount::{MountFlags, MountPropagationFlags, mount_bind, mount_change, mount_remount};
use std::path::Path;

/// What the host keeps: enough to give files owners, modes, flags and nodes, and nothing that reaches beyond files.
const KEPT: [Capability; 8] = [
    Capability::CAP_CHOWN,
    Capability::CAP_DAC_OVERRIDE,
    Capability::CAP_DAC_READ_SEARCH,
    Capability::CAP_FOWNER,
    Capability::CAP_FSETID,
    Capability::CAP_MKNOD,
    Capability::CAP_SETFCAP,
    Capability::CAP_LINUX_IMMUTABLE,
];

/// The state of isolation; proof that [`isolate`] ran.
#[derive(Debug)]
pub struct Isolation {
    /// The directory as it was before it became a mount of its own: renames out of it work through this.
    pub(crate) outside: Option<OwnedFd>,
    private: bool,
}

impl Isolation {
    /// Whether mounts of this run are invisible to the rest of the machine.
    pub fn is_private(&self) -> bool {
        self.private
    }

    /// Gives up every capability that the host does not need. Call it after the helpers were started and before threads are.
    pub fn give_up_privileges(&self) -> Result<()> {
        let failed = |error: caps::errors::CapsError| {
            BuildError::Privilege(format!("cannot give up capabilities: {error}"))
        };
        let permitted = caps::read(None, CapSet::Permitted).map_err(failed)?;
        let kept: CapsHashSet = KEPT
            .into_iter()
            .filter(|capability| permitted.contains(capability))
            .collect();
        if permitted.contains(&Capability::CAP_SETPCAP) {
            for capability in caps::read(None, CapSet::Bounding)
                .map_err(failed)?
                .difference(&kept)
            {
                caps::drop(None, CapSet::Bounding, *capability).map_err(failed)?;
            }
        }
        caps::clear(None, CapSet::Ambient).map_err(failed)?;
        caps::set(None, CapSet::Effective, &kept).map_err(failed)?;
        caps::set(None, CapSet::Permitted, &kept).map_err(failed)?;
        caps::set(None, CapSet::Inheritable, &CapsHashSet::new()).map_err(failed)
    }
}

/// Enters a private mount namespace in which `directory` (the store, or a tree) allows no device nodes to be opened. Without
/// CAP_SYS_ADMIN nothing changes; what needs mounts then fails when it asks for them.
pub fn isolate(directory: &Path) -> Result<Isolation> {
    let outside = rustix::fs::open(
        directory,
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .map_err(|errno| BuildError::io(directory)(errno.into()))?;
    let may = caps::has_cap(None, CapSet::Effective, Capability::CAP_SYS_ADMIN).unwrap_or(false);
    if !may {
        return Ok(Isolation {
            outside: Some(outside),
            private: false,
        });
    }
    let failed =
        |what: &str, error: std::io::Error| BuildError::Privilege(format!("{what}: {error}"));
    unshare(CloneFlags::CLONE_NEWNS)
        .map_err(|errno| failed("cannot make a mount namespace", errno.into()))?;
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", private)
        .map_err(|errno| failed("cannot make mounts private", errno.into()))?;
    mount_bind(directory, directory)
        .map_err(|errno| failed("cannot seal the store", errno.into()))?;
    mount_remount(directory, MountFlags::BIND | MountFlags::NODEV, "")
        .map_err(|errno| failed("cannot seal the store", errno.into()))?;
    Ok(Isolation {
        outside: Some(outside),
        private: true,
    })
}
