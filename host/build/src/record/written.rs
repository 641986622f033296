//! What a stage leaves behind: its files are hashed once, at its end.
use super::Seen;
use osbuild_wasm_capability::record::WrittenRecord;
use osbuild_wasm_capability::{Access, Root, Verb, shown};
use osbuild_wasm_files::changed_files;
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, openat2};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

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

/// Who wrote what is looked for.
pub(super) enum Writers<'a> {
    /// The component alone: only where it did something.
    Component(&'a BTreeMap<Verb, HashMap<String, Seen>>),
    /// Helpers and programs too, which do not say where.
    Anybody,
}

/// The regular files that were written, in the order of paths. What is gone again, or on a file system that is no longer mounted, is
/// left out. `scratch` tells when the stage began, by the clock of the file system.
pub(super) fn files(writers: Writers<'_>, roots: &[Root], scratch: &Path) -> Vec<WrittenRecord> {
    let began = std::fs::metadata(scratch).map_or((0, 0), |of| (of.ctime(), of.ctime_nsec()));
    let opened = Opened::new(roots);
    let mut found = Found::default();
    match writers {
        Writers::Component(accesses) => found.by_component(accesses, &opened, began),
        Writers::Anybody => opened.0.iter().for_each(|(contract, directory)| {
            found.below(contract, directory, began);
        }),
    }
    found.files.into_values().collect()
}

/// Files by place, and memory to read them with.
#[derive(Default)]
struct Found {
    files: BTreeMap<String, WrittenRecord>,
    piece: Vec<u8>,
}

impl Found {
    /// Files among what was created or replaced.
    fn by_component(
        &mut self,
        accesses: &BTreeMap<Verb, HashMap<String, Seen>>,
        opened: &Opened<'_>,
        began: (i64, i64),
    ) {
        let made = [Verb::Create, Verb::Replace];
        for (path, seen) in made.iter().filter_map(|verb| accesses.get(verb)).flatten() {
            let Some((file, kind)) = opened.open(path) else {
                continue;
            };
            if kind == FileType::RegularFile {
                self.note(path.clone(), file);
            } else if seen.below {
                self.below(path, &file, began);
            }
        }
    }

    /// Files below a directory that changed since.
    fn below(&mut self, path: &str, directory: &impl AsRawFd, began: (i64, i64)) {
        let directory = format!("/proc/self/fd/{}", directory.as_raw_fd());
        // What cannot be listed cannot be shown; the access itself is in the record.
        _ = changed_files(Path::new(&directory), began, &mut |below, file| {
            self.note(format!("{path}/{}", below.display()), file);
        });
    }

    fn note(&mut self, path: String, file: File) {
        if !self.files.contains_key(&path)
            && let Ok(metadata) = file.metadata()
        {
            let holes = metadata.len().saturating_sub(metadata.blocks() * BLOCK);
            let sha256 = match holes > HOLES {
                true => None,
                false => digest(file, &mut self.piece).ok(),
            };
            let record = WrittenRecord {
                path: shown(&path),
                size: metadata.len(),
                sha256,
            };
            self.files.insert(path, record);
        }
    }
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
