//! What a stage leaves behind: its files are hashed once, at its end.
use super::{Seen, lock};
use osbuild_wasm_capability::record::WrittenRecord;
use osbuild_wasm_capability::{Access, Root, Verb, shown};
use osbuild_wasm_files::changed_files;
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, openat2};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io::{self, Read};
use std::num::NonZero;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};

/// Bytes read at once.
const PIECE: usize = 256 << 10;
/// Bytes of holes from which on a file is not hashed: zeros take as long as anything else.
const HOLES: u64 = 256 << 20;
/// `st_blocks` counts these (stat(2)).
const BLOCK: u64 = 512;

/// Places are of directories without links; one that has become a link meanwhile is not followed.
const STRAIGHT: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS);

/// How often the clock of file systems is looked at, and for how long at most: it ticks every 1 to 10 ms.
const TICK: Duration = Duration::from_millis(1);
const TICKS: u32 = 50;

/// Files that wait to be hashed; each is open.
const QUEUE: usize = 64;

/// Who wrote what is looked for.
pub(super) enum Writers<'a> {
    /// The component alone: only where it did something.
    Component(&'a BTreeMap<Verb, HashMap<String, Seen>>),
    /// Helpers and programs too, which do not say where.
    Anybody,
}

/// Seconds and nanoseconds by the clock of file systems, which is coarser than others and a little behind.
#[derive(Clone, Copy)]
pub(crate) struct Moment((i64, i64));

impl Moment {
    /// When a file or directory was changed last.
    pub(crate) fn last_change(path: &Path) -> Self {
        let changed = std::fs::metadata(path).map(|of| (of.ctime(), of.ctime_nsec()));
        Self(changed.unwrap_or_default())
    }

    /// Waits for the next tick of that clock, some milliseconds: nothing that happened until now is as late. A directory is changed
    /// to see it.
    pub(crate) fn next(directory: &Path) -> Self {
        let before = Self::last_change(directory);
        let touch = || File::open(directory)?.set_modified(SystemTime::now());
        for _ in 0..TICKS {
            let now = touch().map(|()| Self::last_change(directory));
            match now {
                Ok(Self(now)) if now == before.0 => thread::sleep(TICK),
                Ok(now) => return now,
                Err(_) => break,
            }
        }
        before
    }
}

/// The regular files that were written since, in the order of paths. What is gone again, or on a file system that is no longer
/// mounted, is left out.
pub(super) fn files(
    writers: Writers<'_>,
    roots: &[Root],
    Moment(began): Moment,
) -> Vec<WrittenRecord> {
    let opened = Opened::new(roots);
    let found = Mutex::new(BTreeMap::new());
    let (give, take) = sync_channel(QUEUE);
    let take = Mutex::new(take);
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, NonZero::get) {
            scope.spawn(|| hash_all(&take, &found));
        }
        let mut search = Search {
            opened: &opened,
            began,
            noted: HashSet::new(),
            give,
        };
        match writers {
            Writers::Component(accesses) => search.by_component(accesses),
            Writers::Anybody => search.everywhere(),
        }
    });
    let found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    found.into_values().collect()
}

/// Files by place.
type Found = BTreeMap<String, WrittenRecord>;

/// Gives every file that it finds to those who hash, once.
struct Search<'a> {
    opened: &'a Opened<'a>,
    began: (i64, i64),
    noted: HashSet<String>,
    give: SyncSender<(String, File)>,
}

impl Search<'_> {
    /// Files among what was created or replaced.
    fn by_component(&mut self, accesses: &BTreeMap<Verb, HashMap<String, Seen>>) {
        let made = [Verb::Create, Verb::Replace];
        for (path, seen) in made.iter().filter_map(|verb| accesses.get(verb)).flatten() {
            let Some((file, kind)) = self.opened.open(path) else {
                continue;
            };
            if kind == FileType::RegularFile {
                self.note(path.clone(), file);
            } else if seen.below {
                self.below(path, &file);
            }
        }
    }

    fn everywhere(&mut self) {
        for (contract, directory) in &self.opened.0 {
            self.below(contract, directory);
        }
    }

    /// Files below a directory that changed since.
    fn below(&mut self, path: &str, directory: &impl AsRawFd) {
        let directory = format!("/proc/self/fd/{}", directory.as_raw_fd());
        // What cannot be listed cannot be shown; the access itself is in the record.
        _ = changed_files(Path::new(&directory), self.began, &mut |below, file| {
            self.note(format!("{path}/{}", below.display()), file);
        });
    }

    fn note(&mut self, path: String, file: File) {
        if self.noted.insert(path.clone()) {
            // Those who hash end after this.
            _ = self.give.send((path, file));
        }
    }
}

/// Hashes files as long as there are some.
fn hash_all(take: &Mutex<Receiver<(String, File)>>, found: &Mutex<Found>) {
    let mut piece = Vec::new();
    loop {
        let next = lock(take).recv();
        let Ok((path, file)) = next else {
            return;
        };
        if let Ok(record) = record(&path, file, &mut piece) {
            lock(found).insert(path, record);
        }
    }
}

fn record(path: &str, file: File, piece: &mut Vec<u8>) -> io::Result<WrittenRecord> {
    let metadata = file.metadata()?;
    let holes = metadata.len().saturating_sub(metadata.blocks() * BLOCK);
    let sha256 = match holes > HOLES {
        true => None,
        false => digest(file, piece).ok(),
    };
    Ok(WrittenRecord {
        path: shown(path),
        size: metadata.len(),
        sha256,
    })
}

/// The writable directories of a stage, each opened once.
struct Opened<'a>(Vec<(&'a str, OwnedFd)>);

impl<'a> Opened<'a> {
    fn new(roots: &'a [Root]) -> Self {
        let path = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let open = |root: &'a Root| {
            let fd = rustix::fs::open(&root.host, path, Mode::empty()).ok()?;
            Some((root.contract.trim_end_matches('/'), fd))
        };
        let writable = roots.iter().filter(|root| root.access == Access::Write);
        let mut opened: Vec<_> = writable.filter_map(open).collect();
        // The longest name that fits decides.
        opened.sort_by_key(|(contract, _)| std::cmp::Reverse(contract.len()));
        Self(opened)
    }

    /// Opens a regular file or a directory by its place.
    fn open(&self, place: &str) -> Option<(File, FileType)> {
        let below = |(contract, fd): &'_ (&str, OwnedFd)| {
            let rest = place.strip_prefix(contract)?;
            let rest = rest.strip_prefix('/').or(rest.is_empty().then_some("."))?;
            let flags = OFlags::PATH | OFlags::CLOEXEC;
            Some(openat2(fd, rest, flags, Mode::empty(), STRAIGHT))
        };
        let handle = self.0.iter().find_map(below)?.ok()?;
        let kind = FileType::from_raw_mode(fstat(&handle).ok()?.st_mode);
        if !matches!(kind, FileType::RegularFile | FileType::Directory) {
            return None;
        }
        let file = File::open(format!("/proc/self/fd/{}", handle.as_raw_fd())).ok()?;
        Some((file, kind))
    }
}

/// SHA-256 of the content, holes included.
fn digest(mut file: File, piece: &mut Vec<u8>) -> io::Result<String> {
    let mut hasher = Sha256::new();
    piece.resize(PIECE, 0);
    loop {
        match file.read(piece) {
            Ok(0) => return Ok(hex::encode(hasher.finalize())),
            Ok(count) => hasher.update(&piece[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
