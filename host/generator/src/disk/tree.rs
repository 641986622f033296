//! Walking the tree of a table.
use osbuild_wasm_distro::{PartitionTable, Payload};

/// What is directly in this payload, in order.
pub(super) fn children(payload: &Payload) -> Vec<&Payload> {
    match payload {
        Payload::Lvm(group) => group
            .logical_volumes
            .iter()
            .filter_map(|volume| volume.payload.as_ref())
            .collect(),
        Payload::Luks(luks) => luks.payload.iter().collect(),
        Payload::FileSystem(_) | Payload::Btrfs(_) | Payload::Swap(_) | Payload::Raw { .. } => {
            Vec::new()
        }
    }
}

/// All payloads of a table, each before what is in it.
pub(super) fn payloads(table: &PartitionTable) -> Vec<&Payload> {
    fn add<'a>(payload: &'a Payload, all: &mut Vec<&'a Payload>) {
        all.push(payload);
        for child in children(payload) {
            add(child, all);
        }
    }
    let mut all = Vec::new();
    for partition in &table.partitions {
        if let Some(payload) = &partition.payload {
            add(payload, &mut all);
        }
    }
    all
}

/// Whether something in this payload is mounted there.
pub(super) fn holds(payload: &Payload, mountpoint: &str) -> bool {
    match payload {
        Payload::FileSystem(file_system) => file_system.mountpoint == mountpoint,
        Payload::Btrfs(btrfs) => btrfs
            .subvolumes
            .iter()
            .any(|subvolume| subvolume.mountpoint == mountpoint),
        _ => children(payload)
            .into_iter()
            .any(|child| holds(child, mountpoint)),
    }
}

/// Number of the partition in which something is mounted there, from 0.
pub fn partition_of(table: &PartitionTable, mountpoint: &str) -> Option<usize> {
    table.partitions.iter().position(|partition| {
        partition
            .payload
            .as_ref()
            .is_some_and(|payload| holds(payload, mountpoint))
    })
}
