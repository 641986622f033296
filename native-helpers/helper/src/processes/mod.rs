//! What the processes of a sandbox hold, as its own /proc tells.
//!
//! The helper made the user namespace that they are in, so it may look at all of them, whatever they do to themselves.

mod shared;
mod usage;

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, Dir, MemfdFlags, Mode, OFlags, PROC_SUPER_MAGIC, fstat, fstatfs, fstatvfs,
    memfd_create, openat, statat,
};

use self::shared::Shared;

/// Where a sandbox has files in memory, if not on a disk.
const IN_MEMORY: [&str; 6] = [".", "tmp", "run", "run/osbuild", "dev", "dev/shm"];

/// The first process of a sandbox, in its own /proc.
const FIRST: &str = "1";

/// Bytes that a socket may keep at most until they are read: twice what net.core.wmem_max usually is.
const SOCKET: u64 = 2 * 212_992;

/// Bytes that the kernel takes for a file in memory, be it empty; attributes count as files of this size.
pub const INODE: u64 = 1 << 10;

/// Bytes that the kernel takes for a process or a thread: its stack there, and what is known of it.
const TASK: u64 = 32 << 10;

/// Bytes that one file of /proc is read of at most.
const LONGEST: u64 = 64 << 20;

/// The processes of one sandbox.
#[derive(Debug)]
pub struct Processes {
    /// Their root directory.
    root: OwnedFd,
    /// Their /proc.
    proc: OwnedFd,
    /// What they share that belongs to none of them; none where this process may not see it.
    shared: Option<Shared>,
    /// Bytes of files in memory that the machine had before.
    before: u64,
}

/// How the memory of processes compares with a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    Within,
    Beyond,
    /// Not beyond as far as it can be measured, but there is more.
    Unknown,
}

impl Processes {
    /// Those of the sandbox whose first process this is; none as long as it has no /proc of its own. The calling thread gets into their
    /// namespace of shared memory. `before` is what [`files_in_memory_of_machine`] said before any of them ran.
    pub fn of(first: u32, before: u64) -> Option<Self> {
        let root = Path::new("/proc").join(first.to_string()).join("root");
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(root, flags, Mode::empty()).ok()?;
        let proc = openat(&root, "proc", flags | OFlags::NOFOLLOW, Mode::empty()).ok()?;
        // Before the root directory is changed it is the machine's.
        let own = rustix::fs::stat("/proc").ok()?.st_dev;
        let is_proc = fstatfs(&proc).ok()?.f_type == PROC_SUPER_MAGIC;
        if !is_proc || fstat(&proc).ok()?.st_dev == own {
            return None;
        }
        let shared = Shared::of(first).ok();
        Some(Self {
            root,
            proc,
            shared,
            before,
        })
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

    /// Compares the memory that all of them take together with a limit, files in memory and what the kernel keeps for them included. What
    /// is mapped of such a file counts twice.
    pub fn memory(&self, limit: u64) -> Memory {
        let device = memory_device();
        let usage = self.usage(device.as_slice());
        let shared = self.shared.as_ref().and_then(Shared::bytes);
        // What cannot be measured may be all that came since.
        let unseen = match usage.more() {
            true => files_in_memory_of_machine().saturating_sub(self.before),
            false => 0,
        };
        let files = self.files_in_memory().saturating_add(usage.bytes());
        let others = [
            files.max(unseen),
            shared.unwrap_or_default(),
            usage.kernel_memory(),
            self.kernel_memory(),
        ];
        let others = others.into_iter().fold(0, u64::saturating_add);
        // What processes share counts for each of them here, and only once below, where counting takes longer.
        let rough = self.sum("status", &["RssAnon:", "RssShmem:", "VmSwap:"]);
        let shares = ["Pss_Anon:", "Pss_Shmem:", "SwapPss:"];
        if rough.saturating_add(others) > limit
            && self.sum("smaps_rollup", &shares).saturating_add(others) > limit
        {
            return Memory::Beyond;
        }
        match usage.on_their_way || shared.is_none() {
            true => Memory::Unknown,
            false => Memory::Within,
        }
    }

    /// Bytes that the kernel keeps for them: their own, page tables, locks, and what sockets may hold.
    fn kernel_memory(&self) -> u64 {
        let sockets = self.read(&Path::new(FIRST).join("net/sockstat"));
        let used = sockets.as_deref().and_then(|text| {
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix("sockets: used "));
            line?.trim().parse::<u64>().ok()
        });
        let sockets = used.unwrap_or_default().saturating_mul(SOCKET);
        let tasks = self.count().saturating_mul(TASK);
        let tables = self.sum("status", &["VmPTE:"]);
        let all = [sockets, tasks, tables, self.locks()];
        all.into_iter().fold(0, u64::saturating_add)
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

    /// Bytes of the files in memory that have a name.
    fn files_in_memory(&self) -> u64 {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut seen = Vec::new();
        let named = IN_MEMORY.iter().filter_map(|path| {
            let directory = openat(&self.root, *path, flags, Mode::empty()).ok()?;
            let device = fstat(&directory).ok()?.st_dev;
            if fstatfs(&directory).ok()?.f_type != TMPFS || seen.contains(&device) {
                return None;
            }
            seen.push(device);
            let space = fstatvfs(&directory).ok()?;
            let used = space.f_blocks.saturating_sub(space.f_bfree);
            let inodes = space.f_files.saturating_sub(space.f_ffree);
            let used = used.saturating_mul(space.f_frsize);
            Some(used.saturating_add(inodes.saturating_mul(INODE)))
        });
        named.sum()
    }

    fn threads(&self, process: &str) -> Vec<PathBuf> {
        let directory = Path::new(process).join("task");
        let numbers = numbers(&self.proc, &directory);
        numbers
            .into_iter()
            .map(|number| directory.join(number))
            .collect()
    }

    fn read(&self, path: &Path) -> Option<String> {
        self.read_up_to(path, LONGEST)
    }

    fn read_up_to(&self, path: &Path, longest: u64) -> Option<String> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let file = openat(&self.proc, path, flags, Mode::empty()).ok()?;
        let mut bytes = Vec::new();
        let read = File::from(file).take(longest).read_to_end(&mut bytes);
        read.ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// `f_type` of a file system in memory.
const TMPFS: rustix::fs::FsWord = 0x0102_1994;

/// Bytes of all files in memory.
pub fn files_in_memory_of_machine() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Shmem:"));
    let number = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    number.unwrap_or_default().saturating_mul(1 << 10)
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
