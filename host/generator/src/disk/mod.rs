//! Partition tables: from the one of an image type and the wishes of a blueprint to the one of an image.
//!
//! A table is a tree: partitions hold file systems, volume groups with logical volumes, LUKS containers, btrfs with
//! subvolumes. It is made in three steps: what is asked for is put in, places and sizes are decided (`layout`),
//! identifiers are drawn (`ids`).
mod branch;
mod check;
mod create;
mod custom;
mod devices;
mod filesystems;
mod ids;
mod layout;
mod mounts;
mod partscan;
mod request;
mod size;
mod stages;
#[cfg(test)]
mod tests;
mod tree;
mod types;

pub use devices::{mounted_disk, whole_disk};
pub use ids::draw_ids;
pub use layout::lay_out;
pub use mounts::{
    Mount, fstab_stage, has_own_partition, kernel_options, mount, mount_stages, mount_unit,
    mount_unit_stages, mounts, swaps, tool_packages,
};
pub use partscan::scanned_disk;
pub use request::TableRequest;
pub use stages::{container_stages, content_stages, finishing_stages, label_stage, truncate_stage};
pub use tree::partition_of;
pub use types::Purpose;
