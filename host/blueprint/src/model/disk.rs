//! File systems and partition tables.

use super::Size;
use super::tagged::{self, variant};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize};
use std::borrow::Cow;

/// A file system beside those of the image type, or a larger size for one of those.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileSystem {
    /// Where it is mounted.
    #[schemars(length(min = 1))]
    pub mountpoint: String,
    /// Its size at least.
    #[schemars(extend("x-aliases" = ["size"]))]
    pub minsize: Size,
}

/// How file systems beside those of the image type are laid out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PartitioningMode {
    /// Partitions.
    Raw,
    /// Logical volumes, also when there is nothing beside the root.
    Lvm,
    /// Logical volumes when there are file systems beside those of the image type, else partitions.
    #[default]
    AutoLvm,
}

/// A whole partition table. What a boot needs and is not listed is added.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Disk {
    /// Kind of the table; that of the image type when it is not given.
    #[serde(rename = "type")]
    pub table: Option<PartitionTable>,
    /// Size of the disk at least.
    #[schemars(extend("x-no-float" = true))]
    pub minsize: Option<Size>,
    /// Partitions, in their order.
    pub partitions: Vec<Partition>,
    /// Room before the first partition.
    #[schemars(extend("x-no-float" = true))]
    pub start_offset: Option<Size>,
    /// Bytes of a sector, a power of two; 512 when it is not given.
    pub sector_size: Option<u64>,
}

/// Kind of a partition table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PartitionTable {
    /// GUID partition table.
    Gpt,
    /// Master boot record: at most four partitions.
    Dos,
}

/// A partition, by its `type`: `plain` when none is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Partition {
    /// `plain`: a file system, swap space, or nothing.
    Plain(PlainPartition),
    /// `lvm`: a volume group.
    Lvm(LvmVolumeGroup),
    /// `btrfs`: subvolumes.
    Btrfs(BtrfsVolume),
}

impl Partition {
    /// Its size at least.
    pub fn minsize(&self) -> Size {
        match self {
            Self::Plain(partition) => partition.minsize,
            Self::Lvm(group) => group.minsize,
            Self::Btrfs(volume) => volume.minsize,
        }
    }

    /// Its partition type, if it is given.
    pub fn part_type(&self) -> Option<&str> {
        match self {
            Self::Plain(partition) => partition.part_type.as_deref(),
            Self::Lvm(group) => group.part_type.as_deref(),
            Self::Btrfs(volume) => volume.part_type.as_deref(),
        }
    }

    /// Its UUID in the table, if it is given.
    pub fn part_uuid(&self) -> Option<&str> {
        match self {
            Self::Plain(partition) => partition.part_uuid.as_deref(),
            Self::Lvm(group) => group.part_uuid.as_deref(),
            Self::Btrfs(volume) => volume.part_uuid.as_deref(),
        }
    }

    /// Its label in the table, if it is given.
    pub fn part_label(&self) -> Option<&str> {
        match self {
            Self::Plain(partition) => partition.part_label.as_deref(),
            Self::Lvm(group) => group.part_label.as_deref(),
            Self::Btrfs(volume) => volume.part_label.as_deref(),
        }
    }
}

impl<'de> Deserialize<'de> for Partition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (kind, value) = tagged::split(deserializer)?;
        match kind.as_deref().unwrap_or("plain") {
            "plain" => variant(value).map(Self::Plain),
            "lvm" => variant(value).map(Self::Lvm),
            "btrfs" => variant(value).map(Self::Btrfs),
            other => Err(tagged::unknown(other, &["plain", "lvm", "btrfs"])),
        }
    }
}

impl JsonSchema for Partition {
    fn schema_name() -> Cow<'static, str> {
        "Partition".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let variants = [
            ("plain", PlainPartition::json_schema(generator)),
            ("lvm", LvmVolumeGroup::json_schema(generator)),
            ("btrfs", BtrfsVolume::json_schema(generator)),
        ];
        tagged::schema(
            "A partition, by its `type`: `plain` when none is given.",
            variants,
            Some("plain"),
        )
    }
}

/// A partition with a file system, swap space, or nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlainPartition {
    /// Partition type: a UUID on gpt, two hexadecimal digits on dos. By the mount point when it is not given.
    pub part_type: Option<String>,
    /// UUID of the partition. Only on gpt.
    pub part_uuid: Option<String>,
    /// Label of the partition, at most 36 UTF-16 units. Only on gpt.
    pub part_label: Option<String>,
    /// Its size at least.
    pub minsize: Size,
    /// Where it is mounted. None for swap space.
    pub mountpoint: Option<String>,
    /// Label of the file system.
    pub label: Option<String>,
    /// File system: `ext4`, `xfs` or `vfat`; `swap` for swap space; `none` for nothing.
    pub fs_type: Option<FsType>,
}

/// What is on a partition or logical volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FsType {
    /// The file system ext4.
    Ext4,
    /// The file system XFS.
    Xfs,
    /// The file system FAT.
    Vfat,
    /// Swap space.
    Swap,
    /// Nothing.
    None,
}

impl FsType {
    /// The name in documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ext4 => "ext4",
            Self::Xfs => "xfs",
            Self::Vfat => "vfat",
            Self::Swap => "swap",
            Self::None => "none",
        }
    }
}

/// A partition that is a volume group of LVM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LvmVolumeGroup {
    /// Partition type: a UUID on gpt, two hexadecimal digits on dos. That of LVM when it is not given.
    pub part_type: Option<String>,
    /// UUID of the partition. Only on gpt.
    pub part_uuid: Option<String>,
    /// Label of the partition, at most 36 UTF-16 units. Only on gpt.
    pub part_label: Option<String>,
    /// Its size at least.
    pub minsize: Size,
    /// Name of the volume group; one is made up when it is not given.
    pub name: Option<String>,
    /// Logical volumes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logical_volumes: Vec<LogicalVolume>,
}

/// A logical volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogicalVolume {
    /// Its name; one is made from the mount point when it is not given.
    pub name: Option<String>,
    /// Its size at least.
    pub minsize: Size,
    /// Where it is mounted. None for swap space.
    pub mountpoint: Option<String>,
    /// Label of the file system.
    pub label: Option<String>,
    /// File system: `ext4`, `xfs` or `vfat`; `swap` for swap space.
    pub fs_type: Option<FsType>,
}

/// A partition that is a btrfs with subvolumes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BtrfsVolume {
    /// Partition type: a UUID on gpt, two hexadecimal digits on dos. By the subvolumes when it is not given.
    pub part_type: Option<String>,
    /// UUID of the partition. Only on gpt.
    pub part_uuid: Option<String>,
    /// Label of the partition, at most 36 UTF-16 units. Only on gpt.
    pub part_label: Option<String>,
    /// Its size at least.
    pub minsize: Size,
    /// Subvolumes, at least one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subvolumes: Vec<Subvolume>,
}

/// A subvolume of btrfs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Subvolume {
    /// Its name.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Where it is mounted.
    #[schemars(length(min = 1))]
    pub mountpoint: String,
}
