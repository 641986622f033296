//! Files without their holes, for programs that would write these as zeros: the data of a file are moved together in the file itself while
//! the program reads it, and back afterwards. The file system that it made says where the data were.

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use osbuild_wasm_protocol::Failure;
use rustix::fs::{
    FallocateFlags, Mode, OFlags, SeekFrom, Timespec, Timestamps, fallocate, futimens, open, seek,
};
use rustix::io::Errno;

use super::content::{Content, attributes};
use crate::failure::About;

/// Bytes moved at a time.
const PIECE: u64 = 256 << 10;

/// Files end with a whole block of the file system.
const BLOCK: u64 = 4096;

/// Data of a file, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Where they are in the folded file.
    pub folded: u64,
    /// Where they were.
    pub at: u64,
    pub length: u64,
}

/// A folded file.
pub struct Fold {
    /// Bytes of the file with its holes.
    pub size: u64,
    pub parts: Vec<Part>,
}

impl Fold {
    /// Where a byte of the folded file was, and how many after it, itself included, follow it there too.
    pub fn place(&self, folded: u64) -> Option<(u64, u64)> {
        let within = |part: &&Part| {
            folded
                .checked_sub(part.folded)
                .is_some_and(|inside| inside < part.length)
        };
        let part = self.parts.iter().find(within)?;
        let inside = folded - part.folded;
        Some((part.at + inside, part.length - inside))
    }

    /// The parts of a file with so many bytes at most where its data are: runs of whole units. More than `most` are joined.
    fn new(data: &[(u64, u64)], size: u64, mut unit: u64, most: usize) -> Self {
        let end = size.next_multiple_of(BLOCK);
        loop {
            let mut runs: Vec<(u64, u64)> = Vec::new();
            for (from, to) in data {
                let (from, to) = (from / unit * unit, to.next_multiple_of(unit).min(end));
                match runs.last_mut().filter(|last| last.1 >= from) {
                    Some(last) => last.1 = to.max(last.1),
                    None => runs.push((from, to)),
                }
            }
            if runs.len() > most {
                unit *= 2;
                continue;
            }
            let mut folded = 0;
            let part = |(at, to): (u64, u64)| {
                let length = to - at;
                folded += length;
                Part {
                    folded: folded - length,
                    at,
                    length,
                }
            };
            let parts = runs.into_iter().map(part).collect();
            return Self { size, parts };
        }
    }

    fn length(&self) -> u64 {
        self.parts.iter().map(|part| part.length).sum()
    }
}

/// The folded files of a directory by inode.
#[derive(Default)]
pub struct Folds(HashMap<u64, (File, Fold, Timestamps)>);

impl Folds {
    /// Folds each file that has holes of a unit: it keeps whole units, in at most so many parts.
    pub fn of(content: &Content<'_>, unit: u64, most: usize) -> Result<Self, Failure> {
        let mut folds = Self::default();
        content.visit(&mut |path, metadata| {
            let has_holes = metadata.blocks().saturating_mul(512) < metadata.len();
            let is_large = metadata.is_file() && metadata.len() > unit;
            let is_known = folds.0.contains_key(&metadata.ino());
            if !has_holes || !is_large || is_known || has_privileges(path, metadata)? {
                return Ok(());
            }
            folds
                .add(path, metadata, unit, most)
                .about(path, "fold this file")
        })?;
        Ok(folds)
    }

    fn add(&mut self, path: &Path, metadata: &Metadata, unit: u64, most: usize) -> io::Result<()> {
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(open(path, flags, Mode::empty())?);
        let fold = Fold::new(&data(&file, metadata.len())?, metadata.len(), unit, most);
        if fold.length() >= metadata.len() {
            return Ok(());
        }
        for part in &fold.parts {
            move_down(&file, part)?;
        }
        file.set_len(fold.length())?;
        let time = |tv_sec, tv_nsec| Timespec { tv_sec, tv_nsec };
        let times = Timestamps {
            last_access: time(metadata.atime(), metadata.atime_nsec()),
            last_modification: time(metadata.mtime(), metadata.mtime_nsec()),
        };
        futimens(&file, &times)?;
        self.0.insert(metadata.ino(), (file, fold, times));
        Ok(())
    }

    /// Gives every file its holes back.
    pub fn unfold(&self) -> io::Result<()> {
        for (file, fold, times) in self.0.values() {
            file.set_len(fold.size)?;
            for part in fold.parts.iter().rev() {
                move_up(file, part)?;
            }
            let mut end = 0;
            for part in &fold.parts {
                punch(file, end, part.at)?;
                end = part.at + part.length;
            }
            punch(file, end, fold.size)?;
            futimens(file, times)?;
        }
        Ok(())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How the file of an inode was folded.
    pub fn get(&self, inode: u64) -> Option<&Fold> {
        self.0.get(&inode).map(|(_, fold, _)| fold)
    }
}

/// Whether writing to the file takes something from it: it stays as it is.
fn has_privileges(path: &Path, metadata: &Metadata) -> Result<bool, Failure> {
    let names = attributes(path)?;
    let mut names = names.split(|byte| *byte == 0);
    Ok(metadata.mode() & 0o6000 != 0 || names.any(|name| name == b"security.capability"))
}

/// Where a file has data: first byte and the one behind the last.
fn data(file: &File, size: u64) -> io::Result<Vec<(u64, u64)>> {
    let (mut data, mut at) = (Vec::new(), 0);
    while at < size {
        let from = match seek(file, SeekFrom::Data(at)) {
            Err(Errno::NXIO) => break,
            from => from?,
        };
        at = seek(file, SeekFrom::Hole(from))?;
        data.push((from, at.min(size)));
    }
    Ok(data)
}

/// Moves data to where they are folded, from their beginning on.
fn move_down(file: &File, part: &Part) -> io::Result<()> {
    let mut done = 0;
    while done < part.length {
        let length = PIECE.min(part.length - done);
        copy(file, part.at + done, part.folded + done, length)?;
        done += length;
    }
    Ok(())
}

/// Moves data to where they were, from their end on.
fn move_up(file: &File, part: &Part) -> io::Result<()> {
    let mut left = part.length;
    while left > 0 {
        let length = PIECE.min(left);
        left -= length;
        copy(file, part.folded + left, part.at + left, length)?;
    }
    Ok(())
}

/// Copies bytes within a file; behind its end are zeros.
fn copy(file: &File, from: u64, to: u64, length: u64) -> io::Result<()> {
    if from == to {
        return Ok(());
    }
    let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
    let mut read = 0;
    while read < bytes.len() {
        match file.read_at(&mut bytes[read..], from + read as u64)? {
            0 => break,
            count => read += count,
        }
    }
    file.write_all_at(&bytes, to)
}

fn punch(file: &File, from: u64, to: u64) -> io::Result<()> {
    if to <= from {
        return Ok(());
    }
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    Ok(fallocate(file, flags, from, to - from)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_runs_of_units() {
        let part = |folded, at, length| Part { folded, at, length };
        let fold = Fold::new(
            &[(5, 10), (70_000, 70_001), (300_000, 300_100)],
            1 << 20,
            65536,
            10,
        );
        assert_eq!(
            fold.parts,
            [part(0, 0, 131_072), part(131_072, 262_144, 65536)]
        );
        assert_eq!(fold.place(131_073), Some((262_145, 65535)));
        assert_eq!(fold.place(196_608), None);
        let joined = Fold::new(&[(0, 1), (300_000, 300_001)], 300_001, 65536, 1);
        assert_eq!(joined.parts, [part(0, 0, 303_104)]);
        assert!(Fold::new(&[], 1 << 33, 65536, 10).parts.is_empty());
    }

    #[test]
    fn a_file_is_the_same_after_it_was_folded() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("file");
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)
            .unwrap();
        file.set_len(8 << 20).unwrap();
        for at in [
            3,
            1 << 20,
            (1 << 20) + 70_000,
            (5 << 20) - 10,
            (8 << 20) - 20,
        ] {
            file.write_all_at(b"data and more data", at).unwrap();
        }
        let before = std::fs::read(&path).unwrap();
        let directory = File::open(scratch.path()).unwrap().into();
        let content = Content::new(&directory);
        let folds = Folds::of(&content, 65536, 100).unwrap();
        let folded = std::fs::metadata(&path).unwrap();
        assert!(folded.len() < 1 << 20, "{}", folded.len());
        folds.unfold().unwrap();
        assert!(std::fs::read(&path).unwrap() == before);
        assert!(std::fs::metadata(&path).unwrap().blocks() * 512 < 2 << 20);
    }
}
