//! Distributions and their image types, as data: what a name means, which packages, partitions and settings an image
//! type has. Nothing here makes a manifest; `host/generator` does.
#![forbid(unsafe_code)]

mod definitions;
mod image_type;
mod installer;
mod model;
mod partition_table;

pub use definitions::{DefinitionError, Definitions, Listed, Repository, definitions_schema};
pub use image_type::{
    BootFile, BootMode, Bootloader, Compression, DiskConfig, Environment, ImageConfig, ImageFormat,
    ImageType, Kind, MountConfiguration, OstreeDefaults, PackageSet, PartitionTool,
    PartitioningMode, Platform,
};
pub use installer::{
    Branding, FlatpakPayload, InstallerConfig, IsoBoot, IsoConfig, LoraxTemplate, RootFsType,
};
pub use model::{Arch, Distro, DistroLike, Runner};
pub use partition_table::{
    Btrfs, Clevis, FileSystem, Geometry, LogicalVolume, Luks, MkfsOptions, Partition,
    PartitionTable, Payload, Pbkdf, Subvolume, Swap, TableKind, TablePolicy, VolumeGroup,
};
