//! The file systems that a pipeline's stages make in parts of images where there are no devices, and the directories that stand for
//! them as long as the pipeline is built.
use crate::failure::{BuildError, Result};
use osbuild_wasm_protocol::{FileSystem, Run};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The programs that make them, which can also make them of a directory.
pub(crate) const MAKERS: [&str; 3] = ["mkfs.ext4", "mkfs.btrfs", "mkfs.xfs"];

/// A part of an image: the file, where it begins, and how long it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    device: u64,
    inode: u64,
    /// In bytes.
    pub(crate) offset: u64,
    /// In bytes.
    pub(crate) size: u64,
}

/// SHA-256 of how a part begins: where every file system has its parameters.
pub(crate) type Beginning = [u8; 32];

/// Bytes that make a beginning.
const BEGINNING: u64 = 1 << 20;

impl Key {
    /// The same at another place.
    pub(crate) fn at(self, offset: u64) -> Self {
        Self { offset, ..self }
    }

    /// Whether two parts have the same first byte.
    fn begins_where(&self, other: &Self) -> bool {
        let first = |key: &Self| (key.device, key.inode, key.offset);
        first(self) == first(other)
    }

    /// Whether two parts have bytes in common.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        let same = (self.device, self.inode) == (other.device, other.inode);
        let before = |a: &Self, b: &Self| a.offset + a.size <= b.offset;
        same && !before(self, other) && !before(other, self)
    }

    pub(crate) fn new(image: &Metadata, offset: u64, size: u64) -> Self {
        Self {
            device: image.dev(),
            inode: image.ino(),
            offset,
            size,
        }
    }

    /// How the part begins now.
    pub(crate) fn beginning(&self, image: &File) -> io::Result<Beginning> {
        let (mut at, end) = (self.offset, self.offset + self.size.min(BEGINNING));
        let mut hash = Sha256::new();
        let mut buffer = [0; 1 << 16];
        while at < end {
            let count = buffer
                .len()
                .min(usize::try_from(end - at).unwrap_or(buffer.len()));
            image.read_exact_at(&mut buffer[..count], at)?;
            hash.update(&buffer[..count]);
            at += count as u64;
        }
        Ok(hash.finalize().into())
    }
}

/// How one was made, and what stands for it.
#[derive(Debug)]
struct Known {
    make: Vec<String>,
    /// Which of these words is the device.
    device: String,
    directory: Option<PathBuf>,
    /// It was made by the stage that runs.
    fresh: bool,
    /// How it began when this pipeline's stages had it last.
    beginning: Option<Beginning>,
}

/// Those of one pipeline.
#[derive(Debug)]
pub(crate) struct FileSystems {
    directory: PathBuf,
    known: Mutex<BTreeMap<Key, Known>>,
}

/// What a mount needs to know.
#[derive(Debug)]
pub(crate) struct Staged {
    pub(crate) directory: PathBuf,
    /// The program that made the file system, and its arguments.
    pub(crate) make: Vec<String>,
}

impl FileSystems {
    /// None yet; `directory` takes the directories that stand for them.
    pub(crate) fn new(directory: PathBuf) -> Self {
        Self {
            directory,
            known: Mutex::default(),
        }
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<Key, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a program has succeeded, which may have made one; where it is.
    pub(crate) fn ran(&self, run: &Run, parts: &BTreeMap<String, (Key, Beginning)>) -> Option<Key> {
        let mut parts = run
            .arguments
            .iter()
            .filter_map(|word| parts.get_key_value(word));
        let (device, (key, _)) = parts
            .next()
            .filter(|_| MAKERS.contains(&run.program.as_str()))?;
        let make = std::iter::once(&run.program).chain(&run.arguments);
        let known = Known {
            make: make.cloned().collect(),
            device: device.clone(),
            directory: None,
            fresh: true,
            beginning: None,
        };
        let replaced = self.known().insert(*key, known);
        self.forget(replaced);
        Some(*key)
    }

    /// Notes how a part is left by a stage that has changed it, byte by byte or through the directory that stands for it.
    pub(crate) fn left(&self, key: Key, by_bytes: bool, beginning: Beginning) {
        let mut known = self.known();
        match known.get_mut(&key) {
            Some(of) if of.fresh || !by_bytes => {
                of.fresh = false;
                of.beginning = Some(beginning);
            }
            _ => self.forget(known.remove(&key)),
        }
    }

    /// How large the file system is that begins where a part does and ends within it.
    pub(crate) fn size_at(&self, part: Key) -> Option<u64> {
        let known = self.known();
        let within = |key: &&Key| key.begins_where(&part) && key.size <= part.size;
        known.keys().find(within).map(|key| key.size)
    }

    fn forget(&self, known: Option<Known>) {
        if let Some(directory) = known.and_then(|known| known.directory) {
            // What stays goes with the pipeline's scratch directory.
            _ = osbuild_wasm_files::remove_tree(&directory);
        }
    }

    /// The directory that stands for a file system, made as an empty file system is.
    /// `device` is its contract path now.
    pub(crate) fn staged(
        &self,
        (key, beginning): (Key, Beginning),
        kind: FileSystem,
        device: &str,
        place: &str,
    ) -> Result<Staged> {
        let mut all = self.known();
        let known = all
            .get_mut(&key)
            .filter(|known| known.beginning == Some(beginning));
        let Some(known) = known else {
            let reason = "its file system is not as the stages of this pipeline have made it, so there is no directory to mount instead of it: use loop devices";
            return Err(BuildError::manifest(place, reason));
        };
        let directory = match &known.directory {
            Some(directory) => directory.clone(),
            None => {
                let directory = self.directory.join(format!("{}-{}", key.inode, key.offset));
                empty(&directory, kind).map_err(BuildError::io(&directory))?;
                known.directory.insert(directory).clone()
            }
        };
        let make = known.make.iter().map(|word| match *word == known.device {
            true => device.to_owned(),
            false => word.clone(),
        });
        Ok(Staged {
            directory,
            make: make.collect(),
        })
    }
}

fn empty(directory: &PathBuf, kind: FileSystem) -> std::io::Result<()> {
    std::fs::create_dir_all(directory)?;
    if kind == FileSystem::Ext4 {
        let lost = directory.join("lost+found");
        std::fs::DirBuilder::new().mode(0o700).create(lost)?;
    }
    Ok(())
}
