//! A control group for the programs of a session: how much memory all of them have together, and how many there can be.
//!
//! Version 2 is used where its controllers are, else version 1. Where a process may make no groups (an ordinary user without
//! delegation, a read-only /sys) there is none; `watch` then counts and measures the processes instead.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// Beginning of the names of our groups; the number of the process that made one follows, and then a count.
const PREFIX: &str = "osbuild-wasm-";

/// Processes and threads that programs of one session can have.
pub const PROCESSES: u64 = 16_384;

/// A group of each hierarchy in use, removed when dropped. Nothing may be left in it then.
#[derive(Debug)]
pub struct Group {
    memory: PathBuf,
    processes: PathBuf,
    version: Version,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

impl Group {
    /// Makes one with `memory` bytes for all of its processes, and removes what killed helpers left; none where that is not possible.
    pub fn new(memory: Option<u64>) -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let (version, parents) = parents()?;
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}{}-{number}", std::process::id());
        let [memory_parent, processes_parent] = &parents;
        let group = Self {
            memory: memory_parent.join(&name),
            processes: processes_parent.join(&name),
            version,
        };
        if number == 0 {
            parents.iter().for_each(|parent| remove_left_over(parent));
        }
        for path in group.paths() {
            fs::create_dir(path).ok()?;
        }
        // What cannot be limited is no group of ours.
        group.limit(memory).is_ok().then_some(group)
    }

    fn paths(&self) -> impl Iterator<Item = &Path> {
        let both = self.memory != self.processes;
        [Some(&*self.memory), both.then_some(&*self.processes)]
            .into_iter()
            .flatten()
    }

    fn limit(&self, memory: Option<u64>) -> std::io::Result<()> {
        fs::write(self.processes.join("pids.max"), PROCESSES.to_string())?;
        let Some(memory) = memory else {
            return Ok(());
        };
        let (file, swap) = match self.version {
            Version::One => ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes"),
            Version::Two => ("memory.max", "memory.swap.max"),
        };
        fs::write(self.memory.join(file), memory.to_string())?;
        let of_swap = match self.version {
            Version::One => memory,
            Version::Two => 0,
        };
        // Kernels without swap accounting do not have it.
        let _ = fs::write(self.memory.join(swap), of_swap.to_string());
        Ok(())
    }

    /// Moves a process into it, and so all that it starts from now on.
    pub fn add(&self, process: u32) -> std::io::Result<()> {
        let mut paths = self.paths();
        paths.try_for_each(|path| fs::write(path.join("cgroup.procs"), process.to_string()))
    }

    /// Whether the kernel has killed something in it for want of memory.
    pub fn ran_out_of_memory(&self) -> bool {
        let file = match self.version {
            Version::One => "memory.oom_control",
            Version::Two => "memory.events",
        };
        let text = fs::read_to_string(self.memory.join(file)).unwrap_or_default();
        let kills = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
        kills.is_some_and(|kills| kills.trim() != "0")
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for path in self.paths() {
            let _ = fs::remove_dir(path);
        }
    }
}

/// The groups in which ours can be made: that for memory and that for processes.
fn parents() -> Option<(Version, [PathBuf; 2])> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let own = fs::read_to_string("/proc/self/cgroup").ok()?;
    version_two(&mounts, &own).or_else(|| version_one(&mounts, &own))
}

fn version_two(mounts: &str, own: &str) -> Option<(Version, [PathBuf; 2])> {
    let top = mount_of(mounts, |kind, _| kind == "cgroup2")?;
    let path = own.lines().find_map(|line| line.strip_prefix("0::/"))?;
    // A group that has processes gives its controllers to no other: that above it does.
    let own = top.join(path);
    let gives = |group: &&Path| {
        let controllers = fs::read_to_string(group.join("cgroup.subtree_control"));
        let controllers = controllers.unwrap_or_default();
        let has = |name| controllers.split_whitespace().any(|word| word == name);
        has("memory") && has("pids")
    };
    let above = own.ancestors().take_while(|group| group.starts_with(&top));
    let parent = above.take(2).find(gives)?.to_owned();
    Some((Version::Two, [parent.clone(), parent]))
}

fn version_one(mounts: &str, own: &str) -> Option<(Version, [PathBuf; 2])> {
    let parent = |controller: &str| {
        let top = mount_of(mounts, |kind, options| {
            kind == "cgroup" && options.split(',').any(|option| option == controller)
        })?;
        let path = own.lines().find_map(|line| {
            let (_, rest) = line.split_once(':')?;
            let (controllers, path) = rest.split_once(":/")?;
            let is_it = controllers.split(',').any(|name| name == controller);
            is_it.then_some(path)
        })?;
        let own = top.join(path);
        // In a container the mount may show the own group as its top.
        Some(if own.is_dir() { own } else { top })
    };
    Some((Version::One, [parent("memory")?, parent("pids")?]))
}

/// Mount point of the first file system whose kind and options fit.
fn mount_of(mounts: &str, fits: impl Fn(&str, &str) -> bool) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let (mount, file_system) = line.split_once(" - ")?;
        let mut words = file_system.split(' ');
        let (kind, options) = (words.next()?, words.nth(1)?);
        let point = mount.split(' ').nth(4)?;
        fits(kind, options).then(|| PathBuf::from(point))
    })
}

/// Removes groups of helpers that are no more.
fn remove_left_over(parent: &Path) {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    for entry in entries {
        let name = entry.file_name();
        let process = name
            .to_str()
            .and_then(|name| name.strip_prefix(PREFIX)?.split('-').next());
        let is_gone = |process| !Path::new("/proc").join(process).exists();
        if process.is_some_and(is_gone) {
            let _ = fs::remove_dir(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "30 25 0:26 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
31 25 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
32 25 0:28 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids";

    #[test]
    fn mounts_are_found_by_kind_and_controller() {
        let two = mount_of(MOUNTS, |kind, _| kind == "cgroup2").unwrap();
        assert_eq!(two, Path::new("/sys/fs/cgroup/unified"));
        let pids = mount_of(MOUNTS, |_, options| options.ends_with(",pids")).unwrap();
        assert_eq!(pids, Path::new("/sys/fs/cgroup/pids"));
        assert!(mount_of(MOUNTS, |kind, _| kind == "tmpfs").is_none());
    }

    #[test]
    fn own_groups_of_version_one_are_found_by_controller() {
        let own = "4:memory:/nowhere\n8:pids:/\n0::/";
        let (version, [memory, processes]) = version_one(MOUNTS, own).unwrap();
        assert_eq!(version, Version::One);
        assert_eq!(memory, Path::new("/sys/fs/cgroup/memory"));
        assert_eq!(processes, Path::new("/sys/fs/cgroup/pids/"));
        assert!(version_one(MOUNTS, "0::/").is_none());
    }
}
