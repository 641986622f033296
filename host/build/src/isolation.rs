//! What the host does to itself before anything untrusted is read: a mount namespace of its own, and no more capabilities than
//! owning files in a tree takes.
use crate::chroot::own_mounts;
use crate::failure::{BuildError, Result};
use crate::user_namespace::{enter_user_namespace, switches};
use caps::{CapSet, Capability, CapsHashSet};
use nix::sched::{CloneFlags, unshare};
use osbuild_wasm_sys::mount::set_attributes;
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{MountAttrFlags, mount_bind};
use rustix::process::Gid;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

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

/// What no tree of root's can be made without, and why. Without the others fails only the stage that needs them, and says so.
const NEEDED: [(Capability, &str); 4] = [
    (
        Capability::CAP_CHOWN,
        "files of trees cannot get their owners",
    ),
    (
        Capability::CAP_DAC_OVERRIDE,
        "files that others own cannot be written",
    ),
    (
        Capability::CAP_FOWNER,
        "modes and attributes of files that others own cannot be changed",
    ),
    (Capability::CAP_FSETID, "set-group-id bits would get lost"),
];

const NODEV: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_NODEV;

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
        rustix::thread::set_no_new_privs(true).map_err(|errno| {
            BuildError::Privilege(format!("cannot give up set-id programs: {errno}"))
        })?;
        caps::clear(None, CapSet::Ambient).map_err(failed)?;
        caps::set(None, CapSet::Effective, &kept).map_err(failed)?;
        caps::set(None, CapSet::Permitted, &kept).map_err(failed)?;
        caps::set(None, CapSet::Inheritable, &CapsHashSet::new()).map_err(failed)
    }
}

/// Makes an ordinary user root of a user namespace of the subordinate ids, then enters a private mount namespace in which `directory`
/// (the store, or a tree) allows no device nodes to be opened. A process that is root without CAP_SYS_ADMIN gets no such mounts; what
/// needs them then fails when it asks for them. Must come before threads are started.
pub fn isolate(directory: &Path) -> Result<Isolation> {
    wait_for_threads()?;
    enter_user_namespace()?;
    // Modes in a tree are those that its stages ask for, whatever the caller's shell takes away.
    rustix::process::umask(Mode::from_raw_mode(0o022));
    take_group_of_root()?;
    let outside =
        open_directory(directory).map_err(|errno| BuildError::io(directory)(errno.into()))?;
    let private =
        caps::has_cap(None, CapSet::Effective, Capability::CAP_SYS_ADMIN).unwrap_or(false);
    if private {
        seal(directory)?;
    }
    Ok(Isolation {
        outside: Some(outside),
        private,
    })
}

/// What root makes belongs to root's group, whichever group the caller's shell has (newgrp, sg); and set-group-id bits stay.
fn take_group_of_root() -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    if !rustix::process::getegid().is_root() {
        rustix::thread::set_thread_res_gid(Gid::ROOT, Gid::ROOT, Gid::ROOT).map_err(|errno| {
            BuildError::Privilege(format!("cannot become a member of root's group: {errno}"))
        })?;
    }
    let lacks = |of: &Capability| !caps::has_cap(None, CapSet::Effective, *of).unwrap_or(true);
    match NEEDED.into_iter().find(|(capability, _)| lacks(capability)) {
        None => Ok(()),
        Some((capability, use_of)) => Err(BuildError::Privilege(format!(
            "root has no {capability} here, without which {use_of}: give it, or build as an ordinary user"
        ))),
    }
}

/// Waits for threads of earlier downloads to end: what is isolated and gives up capabilities is one thread, and no other may keep them.
fn wait_for_threads() -> Result<()> {
    const LONGEST: Duration = Duration::from_secs(60);
    const INTERVAL: Duration = Duration::from_millis(1);
    let tasks = Path::new("/proc/self/task");
    let begin = Instant::now();
    while fs::read_dir(tasks).map_err(BuildError::io(tasks))?.count() > 1 {
        if begin.elapsed() > LONGEST {
            let problem = "cannot isolate this process: it has threads that do not end";
            return Err(BuildError::Privilege(problem.to_owned()));
        }
        thread::sleep(INTERVAL);
    }
    Ok(())
}

fn open_directory(path: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty())
}

/// A mount namespace of its own in which device nodes below `directory` cannot be opened.
fn seal(directory: &Path) -> Result<()> {
    let failed =
        |what: &str, errno: Errno| BuildError::Privilege(format!("{what}: {errno}{}", switches()));
    unshare(CloneFlags::CLONE_NEWNS)
        .map_err(|errno| failed("cannot make a mount namespace", errno_of(errno)))?;
    own_mounts().map_err(|errno| failed("cannot make mounts private", errno))?;
    let sealing = |errno| failed("cannot seal the store", errno);
    mount_bind(directory, directory).map_err(sealing)?;
    let sealed = open_directory(directory).map_err(sealing)?;
    // Adds to what the mount takes away already.
    set_attributes(&sealed, NODEV, MountAttrFlags::empty()).map_err(sealing)
}

fn errno_of(errno: nix::errno::Errno) -> Errno {
    Errno::from_raw_os_error(errno as i32)
}
