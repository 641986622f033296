//! One digest for a whole tree.
//!
//! It is the SHA-256 of a listing: for each object of the tree, sorted by the bytes of its path, one record that ends with a NUL
//!
//! ```text
//! TYPE MODE UID GID CONTENT ATTRIBUTES PATH
//! ```
//!
//! `TYPE` is the letter of find(1)'s `%y`, `MODE` octal as `%m`, `UID` and `GID` decimal, `PATH` relative to the tree and empty for the
//! tree itself. `CONTENT` is the SHA-256 of a file's content or of a link's text, `MAJOR:MINOR` of a device, else `-`. `ATTRIBUTES` is
//! `-` when there are none, else the SHA-256 of the extended attributes sorted by name, each as its name, a NUL, its value in hex and a
//! NUL. Times, link counts and attributes of the class `trusted` are left out.

use crate::FilesError;
use crate::copy::read_xattr;
use crate::dirs::{Found, handle, proc_path, walk};
use crate::error::At;
use crate::read::open_readable;
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use sha2::{Digest, Sha256};
use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Read at a time from a file.
const BLOCK: usize = 256 << 10;

/// The digest of a tree, and of its regular files where these are few.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeDigest {
    /// SHA-256 of the listing, lower-case hex.
    pub listing: String,
    /// The regular files, sorted by path; empty when there are more than asked for.
    pub files: Vec<FileDigest>,
}

/// The digest of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileDigest {
    /// Path in the tree.
    pub path: PathBuf,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of the content, lower-case hex.
    pub sha256: String,
}

/// Digests everything below `root` on the same file system, following no link. Names at most `files` regular files one by one.
///
/// # Errors
/// Something below `root` cannot be read.
pub fn digest_tree(root: &Path, files: usize) -> Result<TreeDigest, FilesError> {
    let (mut records, mut regular, mut count) = (Vec::new(), Vec::new(), 0_usize);
    let mut buffer = vec![0; BLOCK];
    walk(root, &mut |found| {
        let path = found.path.strip_prefix(root).unwrap_or(found.path);
        let (kind, content) = content(found, &mut buffer)?;
        if kind == 'f' {
            count += 1;
            if count <= files {
                regular.push(FileDigest {
                    path: path.to_owned(),
                    size: u64::try_from(found.stat.st_size).unwrap_or(0),
                    sha256: content.clone(),
                });
            }
        }
        let (mode, uid, gid) = (
            found.stat.st_mode & 0o7777,
            found.stat.st_uid,
            found.stat.st_gid,
        );
        let attributes = attributes(found)?;
        let record = format!("{kind} {mode:o} {uid} {gid} {content} {attributes} ");
        records.push((path.as_os_str().to_owned(), record));
        Ok(())
    })?;
    records.sort_unstable();
    let mut hash = Sha256::new();
    for (path, record) in records {
        hash.update(record);
        hash.update(path.as_bytes());
        hash.update([0]);
    }
    if count > files {
        regular.clear();
    }
    regular.sort_unstable_by(|a, b| a.path.as_os_str().cmp(b.path.as_os_str()));
    Ok(TreeDigest {
        listing: hex::encode(hash.finalize()),
        files: regular,
    })
}

/// The first and the fifth field of a record.
fn content(found: &Found<'_>, buffer: &mut [u8]) -> Result<(char, String), FilesError> {
    let stat = &found.stat;
    let device = || {
        let (major, minor) = (
            rustix::fs::major(stat.st_rdev),
            rustix::fs::minor(stat.st_rdev),
        );
        format!("{major}:{minor}")
    };
    Ok(match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => ('f', file(found, buffer)?),
        FileType::Symlink => {
            let text =
                rustix::fs::readlinkat(found.dir, found.name, Vec::new()).at("read", found.path)?;
            ('l', hex::encode(Sha256::digest(text.to_bytes())))
        }
        FileType::CharacterDevice => ('c', device()),
        FileType::BlockDevice => ('b', device()),
        FileType::Directory => ('d', "-".into()),
        FileType::Fifo => ('p', "-".into()),
        FileType::Socket => ('s', "-".into()),
        FileType::Unknown => ('?', "-".into()),
    })
}

fn file(found: &Found<'_>, buffer: &mut [u8]) -> Result<String, FilesError> {
    // What became something else meanwhile must not be waited for.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file =
        rustix::fs::openat(found.dir, found.name, flags, Mode::empty()).at("open", found.path)?;
    content_of(&file, buffer).at("read", found.path)
}

/// The SHA-256 of a file's content, lower-case hex; links in the path are followed.
///
/// # Errors
/// The file cannot be read.
pub fn digest_file(path: &Path) -> Result<String, FilesError> {
    let file = open_readable(path).at("open", path)?;
    content_of(&file.into(), &mut vec![0; BLOCK]).at("read", path)
}

fn content_of(file: &OwnedFd, buffer: &mut [u8]) -> rustix::io::Result<String> {
    let mut hash = Sha256::new();
    loop {
        match rustix::io::read(file, &mut *buffer) {
            Ok(0) => return Ok(hex::encode(hash.finalize())),
            Ok(count) => hash.update(buffer.get(..count).unwrap_or_default()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
}

/// The sixth field of a record.
fn attributes(found: &Found<'_>) -> Result<String, FilesError> {
    // There is no call for a name in a directory that leaves links alone; the handle is the thing itself.
    let object = handle(found.dir, found.name).at("open", found.path)?;
    let list = read_xattr(|buffer| rustix::fs::listxattr(proc_path(&object), buffer))
        .at("list the attributes of", found.path)?
        .unwrap_or_default();
    let mut names: Vec<_> = list
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty() && !name.starts_with(b"trusted."))
        .collect();
    if names.is_empty() {
        return Ok("-".into());
    }
    names.sort_unstable();
    let mut hash = Sha256::new();
    for name in names {
        let name = OsStr::from_bytes(name);
        let value = read_xattr(|buffer| rustix::fs::getxattr(proc_path(&object), name, buffer))
            .at("read the attributes of", found.path)?
            .unwrap_or_default();
        hash.update(name.as_bytes());
        hash.update([0]);
        hash.update(hex::encode(value));
        hash.update([0]);
    }
    Ok(hex::encode(hash.finalize()))
}
