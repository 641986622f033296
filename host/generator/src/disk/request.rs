//! What a partition table is made from, and its making as a whole.
use super::branch::grow;
use super::check::check;
use super::{custom, filesystems, mount};
use crate::GeneratorError;
use crate::random::Random;
use indexmap::IndexMap;
use osbuild_wasm_blueprint::model::Customizations;
use osbuild_wasm_distro::{Arch, BootMode, Distro, ImageType, PartitionTable, PartitioningMode};

/// What a partition table is made from, beside the customizations of a blueprint.
#[derive(Clone, Debug)]
pub struct TableRequest<'a> {
    /// The table of the image type.
    pub base: &'a PartitionTable,
    /// Architecture, for types of partitions.
    pub arch: Arch,
    /// How firmware starts the image.
    pub boot_mode: BootMode,
    /// Size of the disk in bytes that was asked for, if one was.
    pub size: Option<u64>,
    /// Size of the disk in bytes where none was asked for and the table of the type is kept.
    pub default_size: u64,
    /// How file systems are added.
    pub mode: PartitioningMode,
    /// File system where none is named.
    pub default_fs: &'a str,
    /// Least sizes of directories in bytes, if the image type has its own.
    pub required_sizes: Option<&'a IndexMap<String, u64>>,
}

impl<'a> TableRequest<'a> {
    /// The request for an image type; `size` is that of the options, 0 where they have none.
    ///
    /// # Errors
    /// The type has no partition table.
    pub fn new(
        distro: &'a Distro,
        image_type: &'a ImageType,
        arch: Arch,
        size: u64,
        mode: PartitioningMode,
    ) -> Result<Self, GeneratorError> {
        let base = image_type.partition_table.as_ref().ok_or_else(|| {
            GeneratorError::PartitionTable(format!(
                "image type {:?} has none for {arch}",
                image_type.name
            ))
        })?;
        Ok(Self {
            base,
            arch,
            boot_mode: image_type.platform.boot_mode(),
            size: (size > 0).then_some(size),
            default_size: image_type.default_size,
            mode,
            default_fs: &distro.default_fs_type,
            required_sizes: image_type.required_partition_sizes.as_ref(),
        })
    }

    /// The table of an image, laid out and with all identifiers: the one that the blueprint describes, or that of the
    /// type with the file systems of the blueprint.
    ///
    /// # Errors
    /// No such table can be made.
    pub fn table(
        &self,
        customizations: &Customizations,
        random: &mut Random,
    ) -> Result<PartitionTable, GeneratorError> {
        let mut table = match &customizations.disk {
            Some(disk) => custom::table(self, disk)?,
            None => filesystems::table(self, &customizations.filesystem)?,
        };
        super::draw_ids(&mut table, random);
        check(&table)?;
        Ok(table)
    }
}

/// Makes what holds these directories large enough for all of them.
pub(super) fn require(table: &mut PartitionTable, sizes: &IndexMap<String, u64>) {
    let mut needed: IndexMap<&str, u64> = IndexMap::new();
    for (directory, size) in sizes {
        let holder = above(directory).find(|path| mount(table, path).is_some());
        if let Some(holder) = holder {
            let sum = needed.entry(holder).or_default();
            *sum = sum.saturating_add(*size);
        }
    }
    for (mountpoint, size) in needed {
        grow(table, mountpoint, size);
    }
}

/// An absolute path and the paths above it, `/` last.
fn above(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path), |path| match path.rsplit_once('/') {
        Some(("", "")) | None => None,
        Some(("", _)) => Some("/"),
        Some((parent, _)) => Some(parent),
    })
}
