//! What a component attaches and mounts itself where files stand for loop devices.
use crate::devices::{Part, Use, contract, reopen_image};
use crate::file_systems::{Beginning, FileSystems, Key, Staged};
use crate::mounts::is_kind_made_from_directory;
use crate::sandbox::{FILES_FOR_DEVICES, link_of};
use osbuild_wasm_protocol as protocol;
use osbuild_wasm_protocol::{
    Attach, Device, ErrorCode, Failure, FileSystem, Granted, Handle, Mount, MountDirectory,
    Mounted, Ran, Session,
};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The devices and mounts of one stage that it has not given back.
pub(crate) struct Attached {
    file_systems: Arc<FileSystems>,
    parts: BTreeMap<Handle, OwnPart>,
    mounts: BTreeMap<Handle, OwnMount>,
    /// How many there have been.
    count: u64,
}

struct OwnPart {
    part: Part,
    /// Contract path.
    contract: String,
    /// The file that stands for it.
    host: PathBuf,
    node: Arc<OwnedFd>,
}

struct OwnMount {
    session: Session,
    /// Contract path.
    device: String,
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

    fn handle(&mut self) -> Handle {
        self.count += 1;
        Handle(self.count)
    }

    /// Adds the devices to a grant.
    pub(crate) fn grant(&self, granted: &mut Granted) {
        for own in self.parts.values() {
            let node = granted.hold(own.node.clone());
            let contract = own.contract.clone();
            granted.grant.devices.push(Device { contract, node });
        }
    }

    /// Opens a part of the image that a handle names; `granted` is what the stage has without it.
    pub(crate) fn attach(
        &mut self,
        attach: &Attach,
        files: &[BorrowedFd<'_>],
        granted: &Granted,
    ) -> Result<protocol::Attached, Failure> {
        let image = files.first().ok_or_else(gone)?;
        let handle = self.handle();
        let failed = |error| failure(&attach.path, error);
        let count = usize::try_from(handle.0).unwrap_or_default();
        let contract = contract(granted.grant.devices.len() + count);
        let (part, host) = open(attach, image, granted, handle).map_err(failed)?;
        let overlaps = |own: &OwnPart| own.part.key().overlaps(&part.key());
        if self.parts.values().any(overlaps) {
            _ = std::fs::remove_file(&host);
            let detail = "the stage has attached a part of it that this one overlaps, which takes loop devices";
            return Err(Failure::new(ErrorCode::Unsupported, &attach.path, detail));
        }
        let own = OwnPart {
            part,
            contract: contract.clone(),
            node: handle_of(&host).map_err(failed)?.into(),
            host,
        };
        self.parts.insert(handle, own);
        Ok(protocol::Attached {
            handle,
            device: contract,
            major: 0,
            minor: 0,
            partitions: Vec::new(),
        })
    }

    /// Brings what changed into the image, and takes the device away.
    pub(crate) fn detach(&mut self, handle: Handle) -> Result<(), Failure> {
        let mounted = |contract: &str| self.mounts.values().any(|own| own.device == contract);
        let own = self.parts.get(&handle).ok_or_else(gone)?;
        if mounted(&own.contract) {
            let detail = "the device is still mounted";
            return Err(Failure::new(ErrorCode::Busy, &own.contract, detail));
        }
        let own = self.parts.remove(&handle).ok_or_else(gone)?;
        let released = own.part.release(&self.file_systems);
        let removed = std::fs::remove_file(&own.host);
        released
            .and(removed)
            .map_err(|error| failure(&own.contract, error))
    }

    /// What parts there are, by the contract path of the device.
    pub(crate) fn parts(&self) -> Result<BTreeMap<String, (Key, Beginning)>, Failure> {
        let known = |own: &OwnPart| {
            let beginning = own.part.beginning();
            let beginning = beginning.map_err(|error| failure(&own.contract, error))?;
            Ok((own.contract.clone(), (own.part.key(), beginning)))
        };
        self.parts.values().map(known).collect()
    }

    /// Notes what a program that ended may have made: it is as the program has left it.
    pub(crate) fn ran(&self, run: &protocol::Run) -> Result<(), Failure> {
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
        begin: impl FnOnce(&Self) -> Result<Session, Failure>,
    ) -> Result<Mounted, Failure> {
        let (device, path) = (call.device.clone(), call.target.clone());
        let session = match call.kind {
            FileSystem::Vfat => {
                let session = begin(self)?;
                session.call(call, &[])?;
                session
            }
            kind if is_kind_made_from_directory(kind) => {
                let Staged { directory, make } = self.staged(&call)?;
                let session = begin(self)?;
                let directory = handle_of(&directory).map_err(|error| failure(&device, error))?;
                let call = MountDirectory {
                    make,
                    device: call.device,
                    target: call.target,
                    kind,
                    read_only: call.read_only,
                };
                session.call(call, &[directory.as_fd()])?;
                session
            }
            _ => {
                let detail = "there are no loop devices here (--devices=loop), and images of this kind are mounted by nothing else";
                return Err(Failure::new(ErrorCode::Unsupported, device, detail));
            }
        };
        let handle = self.handle();
        self.mounts.insert(handle, OwnMount { session, device });
        Ok(Mounted { handle, path })
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

    /// Writes back and unmounts; tells the programs that this took.
    pub(crate) fn unmount(&mut self, handle: Handle) -> Result<Vec<Ran>, Failure> {
        self.mounts.remove(&handle).ok_or_else(gone)?.session.end()
    }
}

/// Opens a part of an image; a file in the stage's scratch directory stands for it.
fn open(
    attach: &Attach,
    image: &BorrowedFd<'_>,
    granted: &Granted,
    handle: Handle,
) -> io::Result<(Part, PathBuf)> {
    let scratch = granted.files.get(granted.grant.scratch);
    let scratch = link_of(scratch.ok_or(io::ErrorKind::NotFound)?);
    let directory = scratch.join(FILES_FOR_DEVICES);
    std::fs::create_dir_all(&directory)?;
    let host = directory.join(format!("own-{}", handle.0));
    let image = reopen_image(image, attach)?;
    let part = Part::open(image, attach, (Use::Bytes, &|_| None), &host)?;
    Ok((part, host))
}

/// A handle of something of our own.
fn handle_of(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?)
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
