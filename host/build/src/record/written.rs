//! What a stage leaves behind: its files are hashed once, at its end.
use super::Seen;
use osbuild_wasm_capability::record::WrittenRecord;
use osbuild_wasm_capability::{Access, Root, Verb, shown};
use osbuild_wasm_files::changed_files;
use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, fstat, openat2};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Bytes read at once.
const PIECE: usize = 256 << 10;

/// Places are of directories without links; one that has become a link meanwhile is not followed.
const STRAIGHT: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS);

/// The regular files among what was created or replaced, in the order of paths. What is gone again, or on a file system that is no
/// longer mounted, is left out. `scratch` tells when the stage began, by the clock of the file system.
pub(super) fn files(
    accesses: &BTreeMap<Verb, HashMap<String, Seen>>,
    roots: &[Root],
    scratch: &Path,
) -> Vec<WrittenRecord> {
    let began = std::fs::metadata(scratch).map_or((0, 0), |of| (of.ctime(), of.ctime_nsec()));
    let mut found = BTreeMap::new();
    let made = [Verb::Create, Verb::Replace];
    for (path, seen) in made.iter().filter_map(|verb| accesses.get(verb)).flatten() {
        let Some(file) = open(roots, path) else {
            continue;
        };
        if is_regular(&file) {
            note(&mut found, path.clone(), file);
        } else if seen.below {
            let directory = format!("/proc/self/fd/{}", file.as_raw_fd());
            // What cannot be listed cannot be shown; the access itself is in the record.
            _ = changed_files(Path::new(&directory), began, &mut |below, file| {
                note(&mut found, format!("{path}/{}", below.display()), file);
            });
        }
    }
    found.into_values().collect()
}

fn note(found: &mut BTreeMap<String, WrittenRecord>, path: String, file: File) {
    if !found.contains_key(&path)
        && let Ok((size, sha256)) = digest(file)
    {
        let place = shown(&path);
        let record = WrittenRecord {
            path: place,
            size,
            sha256,
        };
        found.insert(path, record);
    }
}

fn is_regular(file: &File) -> bool {
    fstat(file).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile)
}

/// Opens a file or directory of a writable root by its place.
fn open(roots: &[Root], place: &str) -> Option<File> {
    let rest = |root: &Root| {
        let rest = place.strip_prefix(root.contract.trim_end_matches('/'))?;
        rest.strip_prefix('/').or(rest.is_empty().then_some("."))
    };
    let root = roots
        .iter()
        .filter(|root| root.access == Access::Write && rest(root).is_some())
        .max_by_key(|root| root.contract.len())?;
    let path = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = rustix::fs::openat(CWD, &root.host, path, Mode::empty()).ok()?;
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let handle = openat2(&directory, rest(root)?, flags, Mode::empty(), STRAIGHT).ok()?;
    let kind = FileType::from_raw_mode(fstat(&handle).ok()?.st_mode);
    if !matches!(kind, FileType::RegularFile | FileType::Directory) {
        return None;
    }
    File::open(format!("/proc/self/fd/{}", handle.as_raw_fd())).ok()
}

/// Size and SHA-256 of the content, holes included.
fn digest(mut file: File) -> io::Result<(u64, String)> {
    let mut hasher = Sha256::new();
    let mut piece = vec![0; PIECE];
    let mut size = 0;
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok((size, hex::encode(hasher.finalize()))),
            Ok(count) => {
                hasher.update(&piece[..count]);
                size += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
