//! A control group (version 2) for each job: what it may take of the machine, and by which all of it can be ended.
#![allow(
    clippy::disallowed_methods,
    reason = "the kernel makes what is in a control group: it has no links"
)]
use crate::left::is_left;
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

/// The attributes by which systemd says that a group is its service's own, see systemd.resource-control(5), `Delegate=`.
const DELEGATED: [&str; 2] = ["trusted.delegate", "user.delegate"];

/// How often, and after which pause, it is tried to remove a group whose processes were killed.
const REMOVAL: (u32, Duration) = (50, Duration::from_millis(10));

/// What a job may take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Bytes of memory.
    pub(crate) memory: Option<u64>,
    /// Processes and threads.
    pub(crate) processes: Option<u64>,
}

/// The place of the groups.
#[derive(Debug)]
pub(crate) struct Cgroups {
    directory: PathBuf,
    limits: Limits,
}

/// The group of a job. What is left in it is killed when this value goes.
#[derive(Debug)]
pub(crate) struct Cgroup {
    directory: PathBuf,
}

impl Cgroups {
    /// Groups below `named`, or below the group of this process if it was delegated to it; none where neither is there. Groups that
    /// killed workers left are ended.
    ///
    /// # Errors
    /// There is no such group, or it cannot limit what `limits` says.
    pub(crate) fn open(named: Option<&Path>, limits: Limits) -> Result<Option<Self>, String> {
        let directory = match named {
            Some(named) => Some(named.to_owned()),
            None => own().filter(|own| is_delegated(own)),
        };
        let Some(directory) = directory else {
            return match limits == Limits::default() {
                true => Ok(None),
                false => Err("limits of jobs need a control group of their own: start the worker by systemd with Delegate=yes, or name one by --cgroup".into()),
            };
        };
        let groups = Self { directory, limits };
        let ready = groups.prepare().and_then(|()| groups.end_left());
        match ready {
            Ok(()) => Ok(Some(groups)),
            // Jobs end without groups as well: nobody has asked for these.
            Err(_) if named.is_none() && limits == Limits::default() => Ok(None),
            Err(error) => {
                let directory = groups.directory.display();
                Err(format!(
                    "cannot use the control group {directory} for jobs: {error}"
                ))
            }
        }
    }

    /// Controllers are for groups that have no processes themselves: this one goes to a group below.
    fn prepare(&self) -> io::Result<()> {
        if !self.directory.join("cgroup.procs").is_file() {
            return Err(io::Error::new(ErrorKind::NotFound, "it is none"));
        }
        if own().is_some_and(|own| own == self.directory) {
            let leaf = self.directory.join("worker");
            make(&leaf)?;
            fs::write(leaf.join("cgroup.procs"), "0")?;
        }
        let wanted = [
            ("memory", self.limits.memory),
            ("pids", self.limits.processes),
        ];
        for (controller, _) in wanted.iter().filter(|(_, limit)| limit.is_some()) {
            let control = self.directory.join("cgroup.subtree_control");
            fs::write(control, format!("+{controller}")).map_err(|error| {
                let problem = format!("it has no controller {controller} for jobs ({error})");
                io::Error::new(error.kind(), problem)
            })?;
        }
        Ok(())
    }

    fn end_left(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            if is_left(&entry.file_name()) {
                drop(Cgroup {
                    directory: entry.path(),
                });
            }
        }
        Ok(())
    }

    /// A group for a job, called as the job's directory.
    pub(crate) fn make(&self, name: &OsStr) -> io::Result<Cgroup> {
        let directory = self.directory.join(name);
        make(&directory)?;
        let group = Cgroup { directory };
        let values = [
            ("memory.max", self.limits.memory),
            ("pids.max", self.limits.processes),
        ];
        for (name, limit) in values {
            if let Some(limit) = limit {
                fs::write(group.directory.join(name), limit.to_string())?;
            }
        }
        if self.limits.memory.is_some() {
            // Memory that is paged out is taken as well, and a build of which one process was killed is none.
            group.write_if_there("memory.swap.max", "0")?;
            group.write_if_there("memory.oom.group", "1")?;
        }
        Ok(group)
    }

    /// The most memory of a job.
    pub(crate) fn memory(&self) -> Option<u64> {
        self.limits.memory
    }
}

impl Cgroup {
    /// What a process writes to enter the group.
    pub(crate) fn entrance(&self) -> io::Result<OwnedFd> {
        let file = OpenOptions::new()
            .write(true)
            .open(self.directory.join("cgroup.procs"))?;
        Ok(file.into())
    }

    /// Whether the kernel killed something for taking too much memory.
    pub(crate) fn ran_out_of_memory(&self) -> bool {
        let events = fs::read_to_string(self.directory.join("memory.events"));
        let events = events.unwrap_or_default();
        let killed = events
            .lines()
            .find_map(|line| line.strip_prefix("oom_kill "));
        killed.is_some_and(|count| count != "0")
    }

    fn write_if_there(&self, name: &str, value: &str) -> io::Result<()> {
        match fs::write(self.directory.join(name), value) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Kills all that is in the group.
    pub(crate) fn kill(&self) {
        // Kernels before 5.14 have no such file; the groups of processes are ended in any case.
        if let Ok(mut file) = File::options()
            .write(true)
            .open(self.directory.join("cgroup.kill"))
        {
            let _ = io::Write::write_all(&mut file, b"1");
        }
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        self.kill();
        for _ in 0..REMOVAL.0 {
            match fs::remove_dir(&self.directory) {
                Err(error) if error.kind() == ErrorKind::ResourceBusy => sleep(REMOVAL.1),
                _ => return,
            }
        }
    }
}

fn make(directory: &Path) -> io::Result<()> {
    match fs::create_dir(directory) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// The group of this process.
fn own() -> Option<PathBuf> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let mount = mounts.lines().find_map(|line| {
        let (place, kind) = line.split_once(" - ")?;
        kind.starts_with("cgroup2 ")
            .then(|| place.split(' ').nth(4))?
    })?;
    Some(match path.is_empty() {
        true => PathBuf::from(mount),
        false => Path::new(mount).join(path),
    })
}

fn is_delegated(directory: &Path) -> bool {
    let says = |name: &&str| {
        let mut value = [0; 8];
        let length = rustix::fs::getxattr(directory, *name, &mut value);
        length.is_ok_and(|length| value[..length.min(8)] == *b"1")
    };
    DELEGATED.iter().any(says)
}
