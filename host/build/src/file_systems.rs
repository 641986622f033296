//! The file systems that a pipeline's stages make in parts of images where there are no devices, and the directories that stand for
//! them as long as the pipeline is built.
use crate::failure::{BuildError, Result};
use osbuild_wasm_protocol::{FileSystem, Run};
use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The programs that make them, which can also make them of a directory.
pub(crate) const MAKERS: [&str; 3] = ["mkfs.ext4", "mkfs.btrfs", "mkfs.xfs"];

/// A part of an image: the file, and where it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    device: u64,
    inode: u64,
    /// In bytes.
    pub(crate) offset: u64,
}

impl Key {
    pub(crate) fn new(image: &Metadata, offset: u64) -> Self {
        Self {
            device: image.dev(),
            inode: image.ino(),
            offset,
        }
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

    /// Notes that a program has succeeded, which may have made one.
    pub(crate) fn ran(&self, run: &Run, parts: &BTreeMap<String, Key>) {
        let mut parts = run
            .arguments
            .iter()
            .filter_map(|word| parts.get_key_value(word));
        let part = parts
            .next()
            .filter(|_| MAKERS.contains(&run.program.as_str()));
        if let Some((device, key)) = part {
            let make = std::iter::once(&run.program).chain(&run.arguments);
            let known = Known {
                make: make.cloned().collect(),
                device: device.clone(),
                directory: None,
                fresh: true,
            };
            self.forget(self.known().insert(*key, known));
        }
    }

    /// Notes that bytes of a part were changed: by the program that made it, or by what we do not know.
    pub(crate) fn changed(&self, key: Key) {
        let mut known = self.known();
        match known.get_mut(&key) {
            Some(of) if of.fresh => of.fresh = false,
            _ => self.forget(known.remove(&key)),
        }
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
        key: Key,
        kind: FileSystem,
        device: &str,
        place: &str,
    ) -> Result<Staged> {
        let mut all = self.known();
        let Some(known) = all.get_mut(&key) else {
            let reason = "no stage of this pipeline has made its file system, so there is no directory to mount instead of it: use loop devices";
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
