//! What one stage is given, gathered while its inputs, devices and mounts are prepared.
use crate::file_systems::{Beginning, FileSystems, Key};
use osbuild_wasm_capability::{Access, Root};
use osbuild_wasm_protocol::{Attach, BuildRoot, Device, Directory, Grant};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::io;
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

/// Grants and the matching parts of the arguments document.
#[derive(Debug, Default)]
pub(crate) struct Sandbox {
    pub(crate) roots: Vec<Root>,
    pub(crate) devices: Vec<Device>,
    pub(crate) build_root: BuildRoot,
    pub(crate) runner: Option<String>,
    pub(crate) runner_cache: Option<PathBuf>,
    /// Source epoch of the pipeline.
    pub(crate) source_epoch: Option<i64>,
    /// `inputs` of the document.
    pub(crate) inputs: Map<String, Value>,
    /// `devices` of the document.
    pub(crate) device_replies: Map<String, Value>,
    /// `mounts` of the document.
    pub(crate) mounts: Map<String, Value>,
    /// What files stand for of images, by the contract path of the device.
    pub(crate) parts: BTreeMap<String, (Key, Beginning)>,
    /// Devices whose partitions may be mounted though files stand for them, by contract path.
    pub(crate) scanned: BTreeMap<String, Attach>,
    /// Those file systems of images for which directories stand.
    pub(crate) file_systems: Option<Arc<FileSystems>>,
    /// A private directory of this stage on the disk.
    pub(crate) scratch: PathBuf,
}

impl Sandbox {
    /// Grants a directory or file.
    pub(crate) fn grant(&mut self, contract: impl Into<String>, host: &Path, access: Access) {
        self.roots.push(Root {
            contract: contract.into(),
            host: host.to_owned(),
            access,
        });
    }

    /// Where the file goes that stands for the next device.
    pub(crate) fn file_for_device(&self) -> io::Result<PathBuf> {
        let directory = self.scratch.join(FILES_FOR_DEVICES);
        std::fs::create_dir_all(&directory)?;
        Ok(directory.join(self.devices.len().to_string()))
    }

    /// Where the tree is.
    pub(crate) fn tree(&self) -> PathBuf {
        let tree = self.roots.iter().find(|root| root.contract == TREE);
        tree.map(|root| root.host.clone()).unwrap_or_default()
    }

    /// Grants a device: to the component and to tools.
    pub(crate) fn grant_device(&mut self, contract: &str, host: &Path) {
        self.grant(contract, host, Access::Write);
        self.devices.push(Device {
            contract: contract.to_owned(),
            host: host.to_owned(),
        });
    }

    /// The same for a helper. Devices and what belongs to the build root are not directories of a helper's grant.
    pub(crate) fn helper_grant(&self) -> Grant {
        let of_stage = |root: &&Root| root.contract.starts_with("/run/osbuild/");
        let directory = |root: &Root| Directory {
            contract: root.contract.clone(),
            host: root.host.clone(),
            writable: root.access == Access::Write,
        };
        Grant {
            directories: self.roots.iter().filter(of_stage).map(directory).collect(),
            devices: self.devices.clone(),
            build_root: self.build_root.clone(),
            runner: self.runner.clone(),
            runner_cache: self.runner_cache.clone(),
            source_epoch: self.source_epoch,
            scratch: self.scratch.clone(),
            ..Grant::default()
        }
    }
}
