//! Growth of one branch of the tree: from what is mounted somewhere up to its partition.
use super::size::{EXTENT, LUKS_METADATA, of_group, of_subvolumes, round_up};
use osbuild_wasm_distro::{Partition, PartitionTable, Payload};

/// What the branch above a payload has to do.
enum Demand {
    /// The mount point is not here.
    NotHere,
    /// There was room enough.
    Met,
    /// Whatever holds the payload needs this size.
    Size(u64),
}

/// Makes what is mounted there at least this large, rounded up as everything that could hold it asks for.
pub(super) fn grow_aligned(table: &mut PartitionTable, mountpoint: &str, size: u64) {
    let in_group = super::tree::payloads(table).into_iter().any(|payload| {
        matches!(payload, Payload::Lvm(_)) && super::tree::holds(payload, mountpoint)
    });
    let size = if in_group {
        round_up(size, EXTENT)
    } else {
        size
    };
    grow(table, mountpoint, round_up(size, table.grain()));
}

/// Makes what is mounted there at least this large, and whatever it is in large enough for that.
pub(super) fn grow(table: &mut PartitionTable, mountpoint: &str, size: u64) {
    for partition in &mut table.partitions {
        if grow_partition(partition, mountpoint, size) {
            return;
        }
    }
}

/// Whether the mount point is in this partition.
fn grow_partition(partition: &mut Partition, mountpoint: &str, size: u64) -> bool {
    let Some(payload) = &mut partition.payload else {
        return false;
    };
    match grow_payload(payload, mountpoint, size) {
        Demand::NotHere => false,
        Demand::Met => true,
        Demand::Size(size) => {
            partition.size = partition.size.max(size);
            true
        }
    }
}

fn grow_payload(payload: &mut Payload, mountpoint: &str, size: u64) -> Demand {
    match payload {
        Payload::FileSystem(file_system) if file_system.mountpoint == mountpoint => {
            Demand::Size(size)
        }
        Payload::Btrfs(btrfs) => {
            let Some(subvolume) = btrfs
                .subvolumes
                .iter_mut()
                .find(|subvolume| subvolume.mountpoint == mountpoint)
            else {
                return Demand::NotHere;
            };
            if subvolume.size >= size {
                return Demand::Met;
            }
            subvolume.size = size;
            Demand::Size(of_subvolumes(btrfs).max(size))
        }
        Payload::Luks(luks) => match luks
            .payload
            .as_mut()
            .map(|payload| grow_payload(payload, mountpoint, size))
        {
            Some(Demand::Size(size)) => Demand::Size(size.saturating_add(LUKS_METADATA)),
            demand => demand.unwrap_or(Demand::NotHere),
        },
        Payload::Lvm(group) => {
            for volume in &mut group.logical_volumes {
                let Some(payload) = &mut volume.payload else {
                    continue;
                };
                match grow_payload(payload, mountpoint, size) {
                    Demand::NotHere => {}
                    Demand::Size(size) if volume.size < size => {
                        volume.size = round_up(size, EXTENT);
                        return Demand::Size(of_group(group).max(size));
                    }
                    Demand::Met | Demand::Size(_) => return Demand::Met,
                }
            }
            Demand::NotHere
        }
        Payload::FileSystem(_) | Payload::Swap(_) | Payload::Raw { .. } => Demand::NotHere,
    }
}
