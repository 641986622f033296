//! Partition tables: what a base table of an image type says, and what the generator makes of it.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Label of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TableKind {
    /// GUID partition table.
    #[default]
    Gpt,
    /// Master boot record.
    Dos,
}

/// What the generator may do to a table on its own.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TablePolicy {
    /// Create a `/boot` where root cannot be read by a bootloader.
    pub ensure_xbootldr: bool,
    /// Give root what is left of the disk.
    pub grow_root_to_fill_disk: bool,
}

impl Default for TablePolicy {
    fn default() -> Self {
        Self {
            ensure_xbootldr: true,
            grow_root_to_fill_disk: true,
        }
    }
}

/// A partition table. Sizes and offsets are bytes.
#[derive(Clone, Debug, PartialEq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PartitionTable {
    /// Disk id: a GUID, or eight hex digits for DOS; drawn from the seed where empty.
    pub uuid: String,
    /// Label.
    #[serde(rename = "type")]
    pub kind: TableKind,
    /// Smallest size of the disk; 0 is from its content.
    pub size: u64,
    /// Partitions in the order in which they lie.
    pub partitions: Vec<Partition>,
    /// Sector size; 0 is 512.
    pub sector_size: u64,
    /// Alignment of partitions; 0 is 1 MiB.
    pub grain_size: u64,
    /// Room before the first partition, beside the label.
    pub start_offset: u64,
    /// The first partition begins exactly at `start_offset`.
    pub absolute_start_offset: bool,
    /// Room after the last partition, beside the label's copy.
    pub extra_padding: u64,
    /// What the generator may do on its own.
    pub policy: TablePolicy,
}

impl PartitionTable {
    /// Size of a sector in bytes.
    pub fn sector(&self) -> u64 {
        match self.sector_size {
            0 => 512,
            size => size,
        }
    }

    /// Alignment of partitions in bytes.
    pub fn grain(&self) -> u64 {
        match self.grain_size {
            0 => 1 << 20,
            size => size,
        }
    }
}

/// One partition.
#[derive(Clone, Debug, PartialEq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Partition {
    /// Offset on the disk; decided by the layout.
    pub start: u64,
    /// Size; grows with what is in it.
    pub size: u64,
    /// GUID, or two hex digits, of the type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether firmware may start from it.
    pub bootable: bool,
    /// GUID; drawn from the seed where empty (GPT only).
    pub uuid: String,
    /// Name in the label (GPT only).
    pub label: String,
    /// Numbers of the attribute bits (GPT only).
    pub attrs: Vec<u32>,
    /// What is in it.
    pub payload: Option<Payload>,
}

/// What a partition, a volume or an encrypted container holds.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(tag = "payload_type", rename_all = "lowercase")]
pub enum Payload {
    /// A file system.
    FileSystem(FileSystem),
    /// A volume group of LVM.
    Lvm(VolumeGroup),
    /// A btrfs with subvolumes.
    Btrfs(Btrfs),
    /// A LUKS container.
    Luks(Box<Luks>),
    /// Swap space.
    Swap(Swap),
    /// Bytes of a file of the build root.
    Raw {
        /// Path in the tree they are copied from.
        source_path: String,
    },
}

/// Options of a program that makes a file system.
#[derive(Clone, Debug, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MkfsOptions {
    /// Sign files by fs-verity (ext4).
    pub verity: bool,
    /// Geometry in the boot sector (FAT).
    pub geometry: Option<Geometry>,
    /// Number of allocation groups (XFS).
    pub agcount: Option<u64>,
}

/// Geometry of a disk, for FAT.
#[derive(Clone, Debug, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Geometry {
    /// Number of heads.
    pub heads: u64,
    /// Sectors of a track.
    #[serde(rename = "sectors-per-track")]
    pub sectors_per_track: u64,
}

/// A file system and its line of fstab.
#[derive(Clone, Debug, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FileSystem {
    /// `ext4`, `xfs`, `vfat`; empty is the distribution's default.
    #[serde(rename = "type")]
    pub kind: String,
    /// UUID, or `XXXX-XXXX` of FAT; drawn from the seed where empty.
    pub uuid: String,
    /// Label.
    pub label: String,
    /// Where it is mounted.
    pub mountpoint: String,
    /// Fourth field of fstab.
    pub fstab_options: String,
    /// Fifth field of fstab.
    pub fstab_freq: u64,
    /// Sixth field of fstab.
    pub fstab_passno: u64,
    /// How it is made.
    pub mkfs_options: MkfsOptions,
}

/// Swap space.
#[derive(Clone, Debug, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Swap {
    /// UUID; drawn from the seed where empty.
    pub uuid: String,
    /// Label.
    pub label: String,
    /// Fourth field of fstab.
    pub fstab_options: String,
}

/// A volume group of LVM.
#[derive(Clone, Debug, PartialEq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct VolumeGroup {
    /// Name.
    pub name: String,
    /// Description in the metadata.
    pub description: String,
    /// Volumes, in order of creation.
    pub logical_volumes: Vec<LogicalVolume>,
}

/// A logical volume.
#[derive(Clone, Debug, PartialEq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LogicalVolume {
    /// Name in its group.
    pub name: String,
    /// Size in bytes, a multiple of 4 MiB once laid out.
    pub size: u64,
    /// What is in it.
    pub payload: Option<Payload>,
}

/// A btrfs.
#[derive(Clone, Debug, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Btrfs {
    /// UUID; drawn from the seed where empty.
    pub uuid: String,
    /// Label.
    pub label: String,
    /// Subvolumes.
    pub subvolumes: Vec<Subvolume>,
}

/// A subvolume of a btrfs.
#[derive(Clone, Debug, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Subvolume {
    /// Name, without leading slash.
    pub name: String,
    /// Size in bytes that it asks of the partition.
    pub size: u64,
    /// Where it is mounted.
    pub mountpoint: String,
    /// Value of the mount option `compress`.
    pub compress: String,
    /// Whether it is mounted read-only.
    pub read_only: bool,
    /// UUID of the file system, copied from it.
    pub uuid: String,
}

/// A LUKS container.
#[derive(Clone, Debug, PartialEq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Luks {
    /// Passphrase of the first key slot.
    pub passphrase: String,
    /// UUID; drawn from the seed where empty.
    pub uuid: String,
    /// Cipher.
    pub cipher: String,
    /// Label.
    pub label: String,
    /// Subsystem label.
    pub subsystem: String,
    /// Sector size of the encryption; 0 is the tool's default.
    pub sector_size: u64,
    /// Key derivation.
    pub pbkdf: Pbkdf,
    /// How it opens itself on first boot.
    pub clevis: Option<Clevis>,
    /// What is in it.
    pub payload: Option<Payload>,
}

/// Argon2id parameters of a key slot.
#[derive(Clone, Debug, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Pbkdf {
    /// Number of iterations.
    pub iterations: u64,
    /// Memory in KiB.
    pub memory: u64,
    /// Number of threads.
    pub parallelism: u64,
}

/// Binding of a LUKS container by Clevis.
#[derive(Clone, Debug, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Clevis {
    /// Pin: `null`, `tpm2` ...
    pub pin: String,
    /// Policy of the pin, a JSON text.
    pub policy: String,
    /// Remove the passphrase when the image is done.
    pub remove_passphrase: bool,
}
