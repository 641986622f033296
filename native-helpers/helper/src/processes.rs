//! What the processes of a sandbox hold, as its own /proc tells.
//!
//! The helper made the user namespace that they are in, so it may look at all of them, whatever they do to themselves.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, Dir, FileType, MemfdFlags, Mode, OFlags, PROC_SUPER_MAGIC, Stat, fstat, fstatfs,
    fstatvfs, memfd_create, openat, statat,
};

/// Where a sandbox has files in memory.
const IN_MEMORY: [&str; 4] = ["tmp", "run", "dev", "dev/shm"];

/// The first process of a sandbox, in its own /proc.
const FIRST: &str = "1";

/// Bytes that a socket may keep at most until somebody reads them: twice what net.core.wmem_max usually is.
const SOCKET: u64 = 2 * 212_992;

/// Bytes that the kernel takes for a file in memory, be it empty.
const INODE: u64 = 1 << 10;

/// Bytes that one file of /proc is read of at most.
const LONGEST: u64 = 64 << 20;

/// The processes of one sandbox.
#[derive(Debug)]
pub struct Processes {
    /// Their root directory.
    root: OwnedFd,
    /// Their /proc.
    proc: OwnedFd,
}

/// Files without a name that processes hold open or have mapped.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Nameless {
    pub bytes: u64,
    pub inodes: u64,
    /// There are more whose size the kernel does not tell: on their way from one process to another, or mapped where this process may not look.
    pub more: bool,
}

/// Identifies a file: device and inode.
type Id = (u64, u64);

impl Processes {
    /// Those of the sandbox whose first process this is; none as long as it has no /proc of its own.
    pub fn of(first: u32) -> Option<Self> {
        let root = Path::new("/proc").join(first.to_string()).join("root");
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(root, flags, Mode::empty()).ok()?;
        let proc = openat(&root, "proc", flags | OFlags::NOFOLLOW, Mode::empty()).ok()?;
        // Before the root directory is changed it is the machine's.
        let own = rustix::fs::stat("/proc").ok()?.st_dev;
        let is_proc = fstatfs(&proc).ok()?.f_type == PROC_SUPER_MAGIC;
        (is_proc && fstat(&proc).ok()?.st_dev != own).then_some(Self { root, proc })
    }

    /// How many processes and threads there are.
    pub fn count(&self) -> u64 {
        // The directory of a process's threads has a link for each, beside its own two.
        let threads = |process: &String| {
            let stat = statat(
                &self.proc,
                Path::new(process).join("task"),
                AtFlags::empty(),
            );
            #[allow(
                clippy::useless_conversion,
                reason = "the kernel counts links in 32 bits on other architectures"
            )]
            stat.map_or(0, |stat| u64::from(stat.st_nlink).saturating_sub(2).max(1))
        };
        numbers(&self.proc, ".").iter().map(threads).sum()
    }

    /// Bytes of memory that all of them take together, files in memory included, if it is more than `limit`. What is mapped of such a file
    /// counts twice.
    pub fn memory_beyond(&self, limit: u64) -> Option<u64> {
        let files = self.files_in_memory().saturating_add(self.kernel_memory());
        // What processes share counts for each of them here, and only once below, where counting takes longer.
        let rough = self.sum("status", &["RssAnon:", "RssShmem:", "VmSwap:"]);
        if rough.saturating_add(files) <= limit {
            return None;
        }
        let shares = ["Pss_Anon:", "Pss_Shmem:", "SwapPss:"];
        let used = self.sum("smaps_rollup", &shares).saturating_add(files);
        (used > limit).then_some(used)
    }

    /// Bytes that the kernel keeps for them: page tables, and what sockets may hold.
    fn kernel_memory(&self) -> u64 {
        let sockets = self.read(&Path::new(FIRST).join("net/sockstat"));
        let used = sockets.as_deref().and_then(|text| {
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix("sockets: used "));
            line?.trim().parse::<u64>().ok()
        });
        let sockets = used.unwrap_or_default().saturating_mul(SOCKET);
        self.sum("status", &["VmPTE:"]).saturating_add(sockets)
    }

    /// Bytes that they, and those of them that have ended, wrote to file systems on disks, whatever became of them.
    pub fn written(&self) -> u64 {
        self.sum("io", &["write_bytes:"])
    }

    /// Sums lines `NAME NUMBER` of a file of each process, where ` kB` behind the number means kilobytes.
    fn sum(&self, file: &str, names: &[&str]) -> u64 {
        let of_process = |process: String| {
            // The first thread may have ended before the others.
            let of = |directory: &Path| {
                let text = self.read(&directory.join(file))?;
                let lines = text.lines().filter_map(|line| {
                    let rest = names.iter().find_map(|name| line.strip_prefix(name))?;
                    let (number, unit) = match rest.trim().strip_suffix(" kB") {
                        Some(number) => (number, 1 << 10),
                        None => (rest.trim(), 1),
                    };
                    Some(number.parse::<u64>().ok()?.saturating_mul(unit))
                });
                lines.reduce(u64::saturating_add)
            };
            let directory = PathBuf::from(&process);
            let threads = || self.threads(&process).iter().find_map(|thread| of(thread));
            of(&directory).or_else(threads).unwrap_or_default()
        };
        numbers(&self.proc, ".").into_iter().map(of_process).sum()
    }

    /// Bytes of the files in memory, named or not.
    fn files_in_memory(&self) -> u64 {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let named = IN_MEMORY.iter().filter_map(|path| {
            let directory = openat(&self.root, *path, flags, Mode::empty()).ok()?;
            let space = fstatvfs(&directory).ok()?;
            let is_memory = fstatfs(&directory).ok()?.f_type == TMPFS;
            let used = space.f_blocks.saturating_sub(space.f_bfree);
            let inodes = space.f_files.saturating_sub(space.f_ffree);
            let used = used.saturating_mul(space.f_frsize);
            is_memory.then(|| used.saturating_add(inodes.saturating_mul(INODE)))
        });
        let nameless = memory_device().map_or(0, |device| self.nameless(&[device]).bytes);
        named.sum::<u64>().saturating_add(nameless)
    }

    /// Files of these devices that have no name any more, or never had one.
    pub fn nameless(&self, devices: &[u64]) -> Nameless {
        let mut found = BTreeMap::new();
        let mut more = false;
        for process in numbers(&self.proc, ".") {
            let threads = self.threads(&process);
            for thread in &threads {
                more |= self.open_files(thread, devices, &mut found);
            }
            // The first thread may have ended before the others.
            let mut maps = threads
                .iter()
                .filter_map(|thread| self.read(&thread.join("maps")));
            let maps = maps.find(|maps| !maps.is_empty()).unwrap_or_default();
            more |= self.mapped_files(&process, &maps, devices, &mut found);
        }
        Nameless {
            bytes: found.values().sum(),
            inodes: found.len() as u64,
            more,
        }
    }

    /// Adds what a thread has open; says whether more is on its way to it.
    fn open_files(&self, thread: &Path, devices: &[u64], found: &mut BTreeMap<Id, u64>) -> bool {
        let directory = thread.join("fd");
        let mut more = false;
        for number in numbers(&self.proc, &directory) {
            let Ok(stat) = statat(&self.proc, directory.join(&number), AtFlags::empty()) else {
                continue;
            };
            note(&stat, devices, found);
            if FileType::from_raw_mode(stat.st_mode) == FileType::Socket {
                let about = self.read(&thread.join("fdinfo").join(&number));
                let waiting = about.as_deref().and_then(|about| {
                    let line = about.lines().find_map(|line| line.strip_prefix("scm_fds:"));
                    line?.trim().parse::<u64>().ok()
                });
                more |= waiting.is_some_and(|count| count > 0);
            }
        }
        more
    }

    /// Adds what a process has mapped, its program included; says whether there is more that the helper may not look at.
    fn mapped_files(
        &self,
        process: &str,
        maps: &str,
        devices: &[u64],
        found: &mut BTreeMap<Id, u64>,
    ) -> bool {
        let mut more = false;
        let deleted = maps.lines().filter(|line| line.ends_with(" (deleted)"));
        for (range, device) in deleted.filter_map(range_and_device) {
            let file = Path::new(process).join("map_files").join(range);
            match statat(&self.proc, &file, AtFlags::empty()) {
                Ok(stat) => note(&stat, devices, found),
                Err(_) => more |= devices.contains(&device),
            }
        }
        more
    }

    fn threads(&self, process: &str) -> Vec<PathBuf> {
        let directory = Path::new(process).join("task");
        let numbers = numbers(&self.proc, &directory);
        numbers.into_iter().map(|n| directory.join(n)).collect()
    }

    fn read(&self, path: &Path) -> Option<String> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let file = openat(&self.proc, path, flags, Mode::empty()).ok()?;
        let mut bytes = Vec::new();
        let read = File::from(file).take(LONGEST).read_to_end(&mut bytes);
        read.ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// `f_type` of a file system in memory.
const TMPFS: rustix::fs::FsWord = 0x0102_1994;

/// Notes a file of these devices without a name, once.
fn note(stat: &Stat, devices: &[u64], found: &mut BTreeMap<Id, u64>) {
    if stat.st_nlink == 0 && devices.contains(&stat.st_dev) {
        let bytes = u64::try_from(stat.st_blocks).unwrap_or_default() * 512;
        found.insert((stat.st_dev, stat.st_ino), bytes);
    }
}

/// Range of addresses and device of a line of `maps`, see proc_pid_maps(5).
fn range_and_device(line: &str) -> Option<(&str, u64)> {
    let mut words = line.split_ascii_whitespace();
    let range = words.next()?;
    let (major, minor) = words.nth(2)?.split_once(':')?;
    let number = |text| u32::from_str_radix(text, 16).ok();
    Some((range, rustix::fs::makedev(number(major)?, number(minor)?)))
}

/// The device of files in memory that never had a name.
fn memory_device() -> Option<u64> {
    let file = memfd_create("", MemfdFlags::CLOEXEC).ok()?;
    Some(fstat(&file).ok()?.st_dev)
}

/// Names of a directory that are numbers.
fn numbers(directory: impl AsFd, path: impl AsRef<Path>) -> Vec<String> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = openat(directory, path.as_ref(), flags, Mode::empty());
    let entries = opened.and_then(Dir::new).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().to_str().ok().map(str::to_owned));
    names.filter(|name| name.parse::<u64>().is_ok()).collect()
}
