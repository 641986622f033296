//! The table of an image type with more or larger file systems.
use super::branch::grow_aligned;
use super::create::{add, ensure_btrfs, ensure_lvm};
use super::mounts::mount;
use super::request::{TableRequest, require};
use super::size::{GIB, MIB, round_up, sum};
use super::tree::payloads;
use crate::GeneratorError;
use indexmap::IndexMap;
use osbuild_wasm_blueprint::model::FileSystem;
use osbuild_wasm_distro::{PartitionTable, PartitioningMode, Payload};

/// Least size of a file system that a blueprint names, and of `/boot`.
const LEAST: u64 = GIB;
const LEAST_BOOT: u64 = 500 * MIB;

/// The table of a type with these file systems, laid out.
pub(super) fn table(
    request: &TableRequest<'_>,
    wanted: &[FileSystem],
) -> Result<PartitionTable, GeneratorError> {
    let mut table = request.base.clone();
    let has_lvm = payloads(&table)
        .iter()
        .any(|payload| matches!(payload, Payload::Lvm(_)));
    let plain_or_btrfs = matches!(
        request.mode,
        PartitioningMode::Raw | PartitioningMode::Btrfs
    );
    if has_lvm && plain_or_btrfs {
        return Err(GeneratorError::PartitionTable(
            "raw partitioning mode set for a base partition table with LVM, this is unsupported"
                .into(),
        ));
    }
    let (present, new): (Vec<_>, Vec<_>) = wanted
        .iter()
        .partition(|wanted| mount(&table, &wanted.mountpoint).is_some());
    for wanted in present {
        grow_aligned(&mut table, &wanted.mountpoint, least(wanted));
    }
    let default_fs = match request.mode {
        PartitioningMode::Btrfs => "btrfs",
        _ => request.default_fs,
    };
    match request.mode {
        PartitioningMode::Lvm => ensure_lvm(&mut table, request.arch, default_fs)?,
        PartitioningMode::AutoLvm if !new.is_empty() => {
            ensure_lvm(&mut table, request.arch, default_fs)?;
        }
        PartitioningMode::Btrfs => ensure_btrfs(&mut table, request.arch, default_fs)?,
        PartitioningMode::AutoLvm | PartitioningMode::Raw => {}
    }
    for wanted in new {
        // `/boot` may be there by now.
        if mount(&table, &wanted.mountpoint).is_none() {
            add(&mut table, request.arch, &wanted.mountpoint, default_fs)?;
        }
        grow_aligned(&mut table, &wanted.mountpoint, least(wanted));
    }
    match request.required_sizes {
        Some(sizes) => require(&mut table, sizes),
        None => require(&mut table, &usual_sizes()),
    }
    super::lay_out(&mut table, disk_size(request, wanted))?;
    Ok(table)
}

fn least(wanted: &FileSystem) -> u64 {
    let least = match wanted.mountpoint.as_str() {
        "/boot" => LEAST_BOOT,
        _ => LEAST,
    };
    wanted.minsize.bytes().max(least)
}

/// Least sizes of directories where an image type has none of its own.
fn usual_sizes() -> IndexMap<String, u64> {
    IndexMap::from([("/".into(), GIB), ("/usr".into(), 2 * GIB)])
}

/// The size that is asked for, but never less than the file systems together.
fn disk_size(request: &TableRequest<'_>, wanted: &[FileSystem]) -> u64 {
    let together = sum(wanted.iter().map(|wanted| wanted.minsize.bytes()));
    request
        .size
        .unwrap_or(request.default_size)
        .max(round_up(together, 512))
}
