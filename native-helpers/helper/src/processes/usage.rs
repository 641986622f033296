//! What processes hold open, mapped or locked: the files of it that have no name, and what the kernel keeps for the rest.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Stat, readlinkat, statat};

use super::{LONGEST, Processes, numbers};

/// Bytes that a pipe may keep until they are read. Where memory is measured, no program makes a pipe larger.
const PIPE: u64 = 64 << 10;

/// Bytes that the kernel takes for a descriptor, a range of addresses, a lock, or a file that is watched.
const SMALL: u64 = 256;

/// Bytes of the list of locks that are read at most: for each page of it the kernel begins at its first lock again.
const LOCKS: u64 = 4 << 20;

/// Text of the links to what watches other files, see proc_pid_fd(5).
const WATCHES: &[u8] = b"anon_inode:[eventpoll]";

/// Identifies a file: device and inode.
type Id = (u64, u64);

/// What processes hold beside files that have a name.
#[derive(Debug, Default)]
pub struct Usage {
    /// Bytes of files without a name, by file.
    nameless: BTreeMap<Id, u64>,
    pipes: BTreeSet<Id>,
    /// Descriptors, ranges of addresses, and files that are watched; what several threads share counts for each.
    small: u64,
    /// Files without a name that are mapped where this process may not look.
    unseen: BTreeSet<Id>,
    /// There are descriptors on their way from one process to another, of whatever.
    pub on_their_way: bool,
}

impl Usage {
    /// Bytes of files without a name.
    pub fn bytes(&self) -> u64 {
        self.nameless.values().sum()
    }

    /// How many of them there are.
    pub fn inodes(&self) -> u64 {
        self.nameless.len() as u64
    }

    /// Whether there are more of them, whose size the kernel does not tell.
    pub fn more(&self) -> bool {
        let seen = |id| self.nameless.contains_key(id);
        self.on_their_way || !self.unseen.iter().all(seen)
    }

    /// Bytes that the kernel itself keeps for what processes hold.
    pub fn kernel_memory(&self) -> u64 {
        let pipes = PIPE.saturating_mul(self.pipes.len() as u64);
        pipes.saturating_add(self.small.saturating_mul(SMALL))
    }

    /// Notes a file of these devices without a name, once.
    fn note(&mut self, stat: &Stat, devices: &[u64]) {
        if stat.st_nlink == 0 && devices.contains(&stat.st_dev) {
            let bytes = u64::try_from(stat.st_blocks).unwrap_or_default() * 512;
            self.nameless.insert((stat.st_dev, stat.st_ino), bytes);
        }
    }
}

impl Processes {
    /// What they hold. Files without a name count as far as they are on these devices.
    pub fn usage(&self, devices: &[u64]) -> Usage {
        let mut usage = Usage::default();
        for process in numbers(&self.proc, ".") {
            let threads = self.threads(&process);
            for thread in &threads {
                self.open_files(thread, devices, &mut usage);
            }
            // The first thread may have ended before the others.
            let mut maps = threads
                .iter()
                .filter_map(|thread| self.read(&thread.join("maps")));
            let maps = maps.find(|maps| !maps.is_empty()).unwrap_or_default();
            usage.small = usage.small.saturating_add(lines(&maps, ""));
            self.mapped_files(&process, &maps, devices, &mut usage);
        }
        usage
    }

    /// Bytes that the kernel keeps for their locks.
    pub(super) fn locks(&self) -> u64 {
        let locks = self.read_up_to(Path::new("locks"), LOCKS);
        match locks.unwrap_or_default() {
            locks if locks.len() as u64 >= LOCKS => u64::MAX,
            locks => lines(&locks, "").saturating_mul(SMALL),
        }
    }

    /// Adds what a thread has open.
    fn open_files(&self, thread: &Path, devices: &[u64], usage: &mut Usage) {
        let directory = thread.join("fd");
        for number in numbers(&self.proc, &directory) {
            let descriptor = directory.join(&number);
            let Ok(stat) = statat(&self.proc, &descriptor, AtFlags::empty()) else {
                continue;
            };
            usage.note(&stat, devices);
            let about = || {
                let about = self.read(&thread.join("fdinfo").join(&number));
                about.unwrap_or_default()
            };
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Fifo => {
                    usage.pipes.insert((stat.st_dev, stat.st_ino));
                }
                FileType::Socket => usage.on_their_way |= are_on_their_way(&about()),
                FileType::Unknown => {
                    let link = readlinkat(&self.proc, &descriptor, Vec::new());
                    if link.is_ok_and(|link| link.as_bytes() == WATCHES) {
                        usage.small = usage.small.saturating_add(lines(&about(), "tfd:"));
                    }
                }
                _ => {}
            }
            usage.small = usage.small.saturating_add(1);
        }
    }

    /// Adds what a process has mapped, its program included.
    fn mapped_files(&self, process: &str, maps: &str, devices: &[u64], usage: &mut Usage) {
        let deleted = maps.lines().filter(|line| line.ends_with(" (deleted)"));
        for (range, id) in deleted.filter_map(range_and_file) {
            let file = Path::new(process).join("map_files").join(range);
            match statat(&self.proc, &file, AtFlags::empty()) {
                Ok(stat) => usage.note(&stat, devices),
                Err(_) if devices.contains(&id.0) => drop(usage.unseen.insert(id)),
                Err(_) => {}
            }
        }
    }
}

/// Whether what is said of a socket says that descriptors wait in it.
fn are_on_their_way(about: &str) -> bool {
    let waiting = about.lines().find_map(|line| line.strip_prefix("scm_fds:"));
    waiting.is_some_and(|count| count.trim() != "0")
}

/// How many lines begin so; of a text that was cut, more than anything may have.
fn lines(text: &str, prefix: &str) -> u64 {
    match text.len() as u64 >= LONGEST {
        true => u64::MAX / SMALL,
        false => text.lines().filter(|line| line.starts_with(prefix)).count() as u64,
    }
}

/// Range of addresses and file of a line of `maps`, see proc_pid_maps(5).
fn range_and_file(line: &str) -> Option<(&str, Id)> {
    let mut words = line.split_ascii_whitespace();
    let range = words.next()?;
    let (major, minor) = words.nth(2)?.split_once(':')?;
    let inode = words.next()?.parse().ok()?;
    let number = |text| u32::from_str_radix(text, 16).ok();
    let device = rustix::fs::makedev(number(major)?, number(minor)?);
    Some((range, (device, inode)))
}
