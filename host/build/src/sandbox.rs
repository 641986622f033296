//! What one stage is given, gathered while its inputs, devices and mounts are prepared.
use crate::failure::{BuildError, Result};
use crate::file_systems::{Beginning, FileSystems, Key};
use osbuild_wasm_capability::policy::Links;
use osbuild_wasm_capability::{Access, Root};
use osbuild_wasm_protocol::{
    Attach, BuildRoot, Device, Directory, Grant, Granted, Place, Position, RunnerCache,
};
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use serde_json::{Map, Value};
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::io;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The tree's contract path.
pub(crate) const TREE: &str = "/run/osbuild/tree";
/// Where inputs are.
pub(crate) const INPUTS: &str = "/run/osbuild/inputs";
/// Where mounts are.
pub(crate) const MOUNTS: &str = "/run/osbuild/mounts";
/// Where devices are.
pub(crate) const DEVICES: &str = "/dev";
/// The directory of a stage's scratch directory with the files that stand for devices.
pub(crate) const FILES_FOR_DEVICES: &str = "devices";

/// A path of this machine, opened once, when it is needed first.
#[derive(Debug, Default)]
pub(crate) struct Once {
    path: PathBuf,
    opened: OnceCell<Arc<OwnedFd>>,
}

impl Once {
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            opened: OnceCell::new(),
        }
    }

    /// A descriptor of what the path led to.
    pub(crate) fn open(&self) -> Result<Arc<OwnedFd>> {
        if let Some(opened) = self.opened.get() {
            return Ok(opened.clone());
        }
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let opened = rustix::fs::open(&self.path, flags, Mode::empty());
        let opened = opened.map_err(|errno| BuildError::io(&self.path)(errno.into()))?;
        Ok(self.opened.get_or_init(|| opened.into()).clone())
    }
}

impl Deref for Once {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.path
    }
}

/// A name in a directory that is opened once; nothing need be there yet.
#[derive(Debug)]
pub(crate) struct Named {
    directory: Once,
    name: String,
}

impl Named {
    /// None where the path ends in no name.
    pub(crate) fn new(path: &Path) -> Option<Self> {
        Some(Self {
            directory: Once::new(path.parent()?),
            name: path.file_name()?.to_str()?.to_owned(),
        })
    }

    fn hold(&self, granted: &mut Granted) -> Result<(Position, String)> {
        Ok((granted.hold(self.directory.open()?), self.name.clone()))
    }
}

/// A directory or device of a stage.
#[derive(Debug)]
pub(crate) struct Given {
    pub(crate) contract: String,
    pub(crate) host: Once,
    pub(crate) access: Access,
    /// Its real name, if something may be mounted over it.
    named: Option<Named>,
}

impl Given {
    fn new(contract: String, host: &Path, access: Access) -> Self {
        let is_mounted_over = [TREE, MOUNTS].contains(&contract.as_str());
        let real = is_mounted_over.then(|| host.canonicalize().ok()).flatten();
        Self {
            contract,
            host: Once::new(host),
            access,
            named: real.as_deref().and_then(Named::new),
        }
    }

    /// The same for a component.
    fn root(&self) -> Result<Root> {
        let host = match self.named {
            // Opened by its name, so that what is mounted there is seen.
            Some(_) => self.host.to_owned(),
            None => link_of(&*self.host.open()?),
        };
        Ok(Root {
            contract: self.contract.clone(),
            host,
            access: self.access,
        })
    }

    fn place(&self, granted: &mut Granted) -> Result<Place> {
        Ok(match &self.named {
            Some(named) => {
                let (directory, name) = named.hold(granted)?;
                Place::In(directory, name)
            }
            None => Place::Itself(granted.hold(self.host.open()?)),
        })
    }
}

/// The path by which the kernel reaches what is open, wherever it is called by now.
pub(crate) fn link_of(handle: &impl AsRawFd) -> PathBuf {
    format!("/proc/self/fd/{}", handle.as_raw_fd()).into()
}

/// Grants and the matching parts of the arguments document.
#[derive(Debug, Default)]
pub(crate) struct Sandbox {
    pub(crate) roots: Vec<Given>,
    /// Those of the roots that are devices.
    pub(crate) devices: Vec<String>,
    pub(crate) build_root: BuildRoot<Once>,
    pub(crate) runner: Option<String>,
    pub(crate) runner_cache: Option<Named>,
    /// Source epoch of the pipeline.
    pub(crate) source_epoch: Option<i64>,
    /// What becomes of links in paths of the manifest.
    pub(crate) links: Links,
    /// `inputs` of the document.
    pub(crate) inputs: Map<String, Value>,
    /// `devices` of the document.
    pub(crate) device_replies: Map<String, Value>,
    /// `mounts` of the document.
    pub(crate) mounts: Map<String, Value>,
    /// What files stand for of images, by the contract path of the device.
    pub(crate) parts: BTreeMap<String, (Key, Beginning)>,
    /// The size of the sectors of those that have not the usual one.
    pub(crate) sectors: BTreeMap<String, u32>,
    /// Devices whose partitions may be mounted though files stand for them, by contract path.
    pub(crate) scanned: BTreeMap<String, Attach>,
    /// Those file systems of images for which directories stand.
    pub(crate) file_systems: Option<Arc<FileSystems>>,
    /// A private directory of this stage on the disk.
    pub(crate) scratch: Once,
}

impl Sandbox {
    /// Grants a directory or file.
    pub(crate) fn grant(&mut self, contract: impl Into<String>, host: &Path, access: Access) {
        self.roots.push(Given::new(contract.into(), host, access));
    }

    /// Where the file goes that stands for the next device.
    pub(crate) fn file_for_device(&self) -> io::Result<PathBuf> {
        let directory = self.scratch.join(FILES_FOR_DEVICES);
        std::fs::create_dir_all(&directory)?;
        Ok(directory.join(self.devices.len().to_string()))
    }

    /// A path that leads to the tree, as long as this lives.
    pub(crate) fn tree(&self) -> io::Result<PathBuf> {
        let tree = self.roots.iter().find(|given| given.contract == TREE);
        let tree = tree.ok_or(io::ErrorKind::NotFound)?.host.open();
        Ok(link_of(&*tree.map_err(io::Error::other)?))
    }

    /// Grants a device: to the component and to tools.
    pub(crate) fn grant_device(&mut self, contract: &str, host: &Path) {
        self.grant(contract, host, Access::Write);
        self.devices.push(contract.to_owned());
    }

    /// What the component gets, as long as this lives.
    pub(crate) fn roots(&self) -> Result<Vec<Root>> {
        self.roots.iter().map(Given::root).collect()
    }

    /// The same for a helper. Devices and what belongs to the build root are not directories of a helper's grant.
    pub(crate) fn helper_grant(&self) -> Result<Granted> {
        let mut granted = Granted::default();
        let mut grant = Grant {
            runner: self.runner.clone(),
            source_epoch: self.source_epoch,
            scratch: granted.hold(self.scratch.open()?),
            ..Grant::default()
        };
        for given in &self.roots {
            if self.devices.contains(&given.contract) {
                let (contract, node) = (given.contract.clone(), given.host.open()?);
                let node = granted.hold(node);
                grant.devices.push(Device { contract, node });
            } else if given.contract.starts_with("/run/osbuild/") {
                let place = given.place(&mut granted)?;
                grant.directories.push(Directory {
                    contract: given.contract.clone(),
                    place,
                    writable: given.access == Access::Write,
                });
            }
        }
        if let BuildRoot::Directory(root) = &self.build_root {
            grant.build_root = BuildRoot::Directory(granted.hold(root.open()?));
        }
        if let Some(cache) = &self.runner_cache {
            let (directory, name) = cache.hold(&mut granted)?;
            grant.runner_cache = Some(RunnerCache { directory, name });
        }
        granted.grant = grant;
        Ok(granted)
    }
}
