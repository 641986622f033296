//! Partitions of the disk of a bootable container.
use super::info::ContainerInfo;
use crate::GeneratorError;
use crate::disk::TableRequest;
use crate::random::Random;
use crate::request::Request;
use indexmap::IndexMap;
use osbuild_wasm_blueprint::model::{Customizations, FileSystem, Size};
use osbuild_wasm_distro::{BootMode, PartitionTable, PartitioningMode, Payload};

/// The table of the container's disk: the container's own or the type's, with what the blueprint wants, and a root with
/// room for the container twice: an update has to fit beside it.
///
/// # Errors
/// No such table can be made.
pub(super) fn table(
    request: &Request<'_>,
    info: &ContainerInfo,
    customizations: &Customizations,
    random: &mut Random,
) -> Result<PartitionTable, GeneratorError> {
    let own = info.os.partition_table.as_ref();
    let Some(base) = own.or(request.image_type.partition_table.as_ref()) else {
        return Err(GeneratorError::PartitionTable(format!(
            "image type {:?} has none for {}",
            request.image_type.name, request.arch
        )));
    };
    let base = with_default_fs(base.clone(), &info.default_root_fs);
    let least_root = info.size.saturating_mul(2);
    let required = IndexMap::from([("/".to_string(), least_root)]);
    let size = request.options.size;
    let table_request = TableRequest {
        base: &base,
        arch: request.arch,
        boot_mode: boot_mode(info),
        size: (size > 0).then_some(size),
        default_size: request.image_type.default_size,
        mode: match info.default_root_fs.as_str() {
            "btrfs" => PartitioningMode::Btrfs,
            _ => PartitioningMode::Raw,
        },
        default_fs: &info.default_root_fs,
        required_sizes: customizations.disk.as_ref().map(|_| &required),
    };
    let mut wanted = customizations.clone();
    if wanted.disk.is_none() {
        enlarge_root(&mut wanted.filesystem, least_root);
    }
    let mut table = table_request.table(&wanted, random)?;
    verify_root(&mut table);
    Ok(table)
}

/// A container boots from both kinds of firmware, unless its kernel is one that only UEFI starts.
fn boot_mode(info: &ContainerInfo) -> BootMode {
    match info.unified_kernel {
        true => BootMode::Uefi,
        false => BootMode::Hybrid,
    }
}

/// The table with this file system where it names none.
fn with_default_fs(mut table: PartitionTable, default_fs: &str) -> PartitionTable {
    for partition in &mut table.partitions {
        if let Some(Payload::FileSystem(file_system)) = &mut partition.payload
            && file_system.kind.is_empty()
        {
            file_system.kind = default_fs.into();
        }
    }
    table
}

fn enlarge_root(file_systems: &mut Vec<FileSystem>, least: u64) {
    let root = |file_system: &&mut FileSystem| file_system.mountpoint == "/";
    match file_systems.iter_mut().find(root) {
        Some(root) => root.minsize = Size(root.minsize.bytes().max(least)),
        None => file_systems.push(FileSystem {
            mountpoint: "/".into(),
            minsize: Size(least),
        }),
    }
}

/// What a deployment is made of is verified by the file system, where it can.
fn verify_root(table: &mut PartitionTable) {
    for partition in &mut table.partitions {
        match &mut partition.payload {
            Some(Payload::FileSystem(file_system)) => verify(file_system),
            Some(Payload::Lvm(group)) => {
                for volume in &mut group.logical_volumes {
                    if let Some(Payload::FileSystem(file_system)) = &mut volume.payload {
                        verify(file_system);
                    }
                }
            }
            _ => {}
        }
    }
}

fn verify(file_system: &mut osbuild_wasm_distro::FileSystem) {
    if file_system.mountpoint == "/" && file_system.kind == "ext4" {
        file_system.mkfs_options.verity = true;
    }
}
