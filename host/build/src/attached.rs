//! What a component attaches and mounts itself where files stand for loop devices.
use crate::devices::{Part, Use, contract};
use crate::file_systems::{Beginning, FileSystems, Key, Staged};
use crate::mounts::is_kind_made_from_directory;
use crate::sandbox::{FILES_FOR_DEVICES, TREE};
use osbuild_wasm_protocol::{
    Attach, Device, ErrorCode, Failure, FileSystem, Grant, Mount, MountDirectory, Session,
};
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// The devices and mounts of one stage that it has not given back.
pub(crate) struct Attached {
    file_systems: Arc<FileSystems>,
    parts: BTreeMap<u64, OwnPart>,
    mounts: BTreeMap<u64, OwnMount>,
    /// How many there have been.
    count: u64,
}

struct OwnPart {
    part: Part,
    device: Device,
}

struct OwnMount {
    session: Session,
    /// Contract path.
    device: String,
}

/// A device as the component gets it.
pub(crate) struct Opened {
    pub(crate) handle: u64,
    pub(crate) contract: String,
}

impl Attached {
    /// Nothing yet.
    pub(crate) fn new(file_systems: Arc<FileSystems>) -> Self {
        Self {
            file_systems,
            parts: BTreeMap::new(),
            mounts: BTreeMap::new(),
            count: 0,
        }
    }

    fn handle(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    /// Opens a part of an image and adds it to the grant.
    pub(crate) fn attach(&mut self, attach: &Attach, grant: &mut Grant) -> Result<Opened, Failure> {
        let handle = self.handle();
        let directory = grant.scratch.join(FILES_FOR_DEVICES);
        let device = Device {
            contract: contract(grant.devices.len() + usize::try_from(handle).unwrap_or_default()),
            host: directory.join(format!("own-{handle}")),
        };
        let tree = grant.directories.iter().find(|root| root.contract == TREE);
        let tree = tree.map(|root| root.host.clone()).unwrap_or_default();
        let part = std::fs::create_dir_all(&directory)
            .and_then(|()| Part::open(&tree, attach, (Use::Bytes, &|_| None), &device.host))
            .map_err(|error| failure(&attach.path, error))?;
        let overlaps = |own: &OwnPart| own.part.key().overlaps(&part.key());
        if self.parts.values().any(overlaps) {
            _ = std::fs::remove_file(&device.host);
            let detail = "the stage has attached a part of it that this one overlaps, which takes loop devices";
            return Err(Failure::new(ErrorCode::Unsupported, &attach.path, detail));
        }
        let contract = device.contract.clone();
        grant.devices.push(device.clone());
        self.parts.insert(handle, OwnPart { part, device });
        Ok(Opened { handle, contract })
    }

    /// Brings what changed into the image, and takes the device out of the grant.
    pub(crate) fn detach(&mut self, handle: u64, grant: &mut Grant) -> Result<(), Failure> {
        let mounted = |contract: &str| self.mounts.values().any(|own| own.device == contract);
        let own = self.parts.get(&handle).ok_or_else(gone)?;
        if mounted(&own.device.contract) {
            let detail = "the device is still mounted";
            return Err(Failure::new(ErrorCode::Busy, &own.device.contract, detail));
        }
        let OwnPart { part, device } = self.parts.remove(&handle).ok_or_else(gone)?;
        grant.devices.retain(|other| *other != device);
        let released = part.release(&self.file_systems);
        let removed = std::fs::remove_file(&device.host);
        released
            .and(removed)
            .map_err(|error| failure(&device.contract, error))
    }

    /// What parts there are, by the contract path of the device.
    pub(crate) fn parts(&self) -> Result<BTreeMap<String, (Key, Beginning)>, Failure> {
        let known = |own: &OwnPart| {
            let beginning = own.part.beginning();
            let beginning = beginning.map_err(|error| failure(&own.device.contract, error))?;
            Ok((own.device.contract.clone(), (own.part.key(), beginning)))
        };
        self.parts.values().map(known).collect()
    }

    /// Notes what a program that ended may have made: it is as the program has left it.
    pub(crate) fn ran(&self, run: &osbuild_wasm_protocol::Run) -> Result<(), Failure> {
        if self.parts.is_empty() {
            return Ok(());
        }
        let parts = self.parts()?;
        if let Some(key) = self.file_systems.ran(run, &parts) {
            let made = parts.values().find(|(other, _)| *other == key);
            if let Some((key, beginning)) = made {
                self.file_systems.left(*key, true, *beginning);
            }
        }
        Ok(())
    }

    /// Mounts a file system in a session that it keeps: the directory that stands for it, or FAT by programs.
    pub(crate) fn mount(
        &mut self,
        call: Mount,
        begin: impl FnOnce() -> Result<Session, Failure>,
    ) -> Result<u64, Failure> {
        let device = call.device.clone();
        let session = match call.kind {
            FileSystem::Vfat => {
                let session = begin()?;
                session.mount(call)?;
                session
            }
            kind if is_kind_made_from_directory(kind) => {
                let Staged { directory, make } = self.staged(&call)?;
                let session = begin()?;
                session.mount_directory(MountDirectory {
                    directory,
                    make,
                    device: call.device,
                    target: call.target,
                    kind,
                    read_only: call.read_only,
                })?;
                session
            }
            _ => {
                let detail = "there are no loop devices here (--devices=loop), and images of this kind are mounted by nothing else";
                return Err(Failure::new(ErrorCode::Unsupported, device, detail));
            }
        };
        let handle = self.handle();
        self.mounts.insert(handle, OwnMount { session, device });
        Ok(handle)
    }

    fn staged(&self, call: &Mount) -> Result<Staged, Failure> {
        let parts = self.parts()?;
        let part = parts.get(&call.device).ok_or_else(|| {
            let detail = "this is no device that the stage has attached";
            Failure::new(ErrorCode::Denied, &call.device, detail)
        })?;
        self.file_systems
            .staged(*part, call.kind, &call.device, &call.device)
            .map_err(|error| Failure::new(ErrorCode::Unsupported, "", error.to_string()))
    }

    /// Writes back and unmounts.
    pub(crate) fn unmount(&mut self, handle: u64) -> Result<(), Failure> {
        self.mounts.remove(&handle).ok_or_else(gone)?.session.end()
    }
}

fn gone() -> Failure {
    let detail = "the stage does not hold this any more";
    Failure::new(ErrorCode::Invalid, PathBuf::new().to_string_lossy(), detail)
}

fn failure(path: &str, error: io::Error) -> Failure {
    let code = match error.kind() {
        io::ErrorKind::NotFound => ErrorCode::NotFound,
        io::ErrorKind::StorageFull => ErrorCode::NoSpace,
        _ => ErrorCode::Io,
    };
    Failure::new(code, path, error.to_string())
}
