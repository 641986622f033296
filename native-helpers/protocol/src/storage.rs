//! Requests of the interfaces for devices and mounts, and what is answered.

use serde::{Deserialize, Serialize};

use crate::message::{Bytes, Handle};

/// Attaches a regular file as block device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attach {
    /// The file, for messages.
    pub path: String,
    /// First byte that the device shows.
    pub offset: u64,
    /// Bytes that it shows; none: up to the end.
    pub size: Option<u64>,
    /// Logical block size in bytes.
    pub sector_size: u32,
    /// Whether writing is refused.
    pub read_only: bool,
    /// Make devices of the partitions; they are there when the call returns.
    pub partition_scan: bool,
    /// Take an exclusive lock (flock) of the device, which keeps udev away from it.
    pub lock: bool,
}

/// An attached device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attached {
    /// For [`Request::Detach`](crate::Request::Detach).
    pub handle: Handle,
    /// `/dev/loopN`, or the contract path of what stands for a device.
    pub device: String,
    /// Device number; 0 where a file stands for the device.
    pub major: u32,
    /// Device number.
    pub minor: u32,
    /// Numbers of the partitions found by a partition scan, ascending.
    pub partitions: Vec<u32>,
}

/// Mounts a file system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mount {
    /// Contract path of the device.
    pub device: String,
    /// Partition of it.
    pub partition: Option<u32>,
    /// Contract path below `/run/osbuild/mounts` or the tree; made when missing.
    pub target: String,
    /// Kind of file system.
    pub kind: FileSystem,
    /// Whether writing is refused.
    pub read_only: bool,
    /// Options of the file system, e.g. `subvol=root`.
    pub options: Vec<String>,
}

/// Mounts the directory that comes with the call and stands for a file system in a file. When it is unmounted, the file system is made anew from the directory
/// as it was made first, unless it was read-only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MountDirectory {
    /// Contract path of the device, for which a file was granted.
    pub device: String,
    /// Contract path below `/run/osbuild/mounts` or the tree; made when missing.
    pub target: String,
    /// Kind of file system.
    pub kind: FileSystem,
    /// Whether writing is refused.
    pub read_only: bool,
    /// The program that made the file system, and its arguments; one of them is the device.
    pub make: Vec<String>,
}

/// A mounted file system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mounted {
    /// For [`Request::Unmount`](crate::Request::Unmount).
    pub handle: Handle,
    /// Contract path of its root.
    pub path: String,
}

/// Kinds of file systems.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileSystem {
    /// ext4
    Ext4,
    /// XFS
    Xfs,
    /// Btrfs
    Btrfs,
    /// FAT with long names
    Vfat,
    /// SquashFS
    Squashfs,
    /// EROFS
    Erofs,
}

/// Makes something of the mounts visible in the tree, with all that is mounted below it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BindMount {
    /// Contract path below `/run/osbuild/mounts`.
    pub source: String,
    /// Contract path in the tree; it must exist.
    pub target: String,
}

/// Makes an OSTree deployment the root of the system root that it belongs to, with that one at `/sysroot`, and the `var` of its
/// system and the `boot` of the system root in their places.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deployment {
    /// Contract path of the system root: `/run/osbuild/tree` or `/run/osbuild/mounts`.
    pub root: String,
    /// Which deployment of it; none: the only one with serial 0.
    pub name: Option<DeploymentName>,
}

/// Which deployment of a system root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeploymentName {
    /// Name of the system (`stateroot`).
    pub osname: String,
    /// Checksum of the commit.
    pub commit: String,
    /// Number among deployments of the same commit.
    pub serial: u32,
}

/// Mounts all file systems of a discoverable disk image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MountImage {
    /// Contract path of the device.
    pub device: String,
    /// Contract path below `/run/osbuild/mounts`; made when missing.
    pub target: String,
    /// Whether writing is refused.
    pub read_only: bool,
    /// Grow file systems to the size of their partitions.
    pub grow: bool,
    /// Check file systems first.
    pub check: bool,
    /// Where blocks are discarded, as systemd-dissect's `--discard` has it.
    pub discard: Option<String>,
    /// As `--image-policy`.
    pub policy: Option<String>,
    /// As `--image-filter`.
    pub filter: Option<String>,
}

/// Opens a LUKS container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenCrypt {
    /// Contract path of the device with the container.
    pub device: String,
    /// Passphrase of a key slot.
    pub passphrase: Bytes,
}

/// An opened container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapped {
    /// For [`Request::Detach`](crate::Request::Detach).
    pub handle: Handle,
    /// Name of the mapping, new for each one.
    pub name: String,
    /// The loop device that shows its content.
    pub device: String,
    /// Device number.
    pub major: u32,
    /// Device number.
    pub minor: u32,
}

/// Activates a logical volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActivateVolume {
    /// Contract path of the device with the physical volume.
    pub device: String,
    /// Partition of it.
    pub partition: Option<u32>,
    /// Name of the logical volume.
    pub volume: String,
}

/// An active logical volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Volume {
    /// For [`Request::Detach`](crate::Request::Detach).
    pub handle: Handle,
    /// Name of its volume group.
    pub group: String,
    /// `/dev/mapper/GROUP-VOLUME`, with each dash of a name doubled.
    pub mapper: String,
    /// Device number.
    pub major: u32,
    /// Device number.
    pub minor: u32,
}
