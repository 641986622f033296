//! Identifiers of tables, partitions and what is in them.
use crate::random::Random;
use osbuild_wasm_distro::{PartitionTable, Payload, TableKind};

/// Draws the identifiers that the table leaves open: its own, those of what is in the partitions, each before what is
/// in it, and then those of the partitions (GPT only).
pub fn draw_ids(table: &mut PartitionTable, random: &mut Random) {
    draw(&mut table.uuid, random);
    for partition in &mut table.partitions {
        if let Some(payload) = &mut partition.payload {
            draw_payload(payload, random);
        }
    }
    if table.kind == TableKind::Gpt {
        for partition in &mut table.partitions {
            draw(&mut partition.uuid, random);
        }
    }
}

fn draw_payload(payload: &mut Payload, random: &mut Random) {
    match payload {
        Payload::FileSystem(file_system) if file_system.kind == "vfat" => {
            if file_system.uuid.is_empty() {
                file_system.uuid = random.volume_id();
            }
        }
        Payload::FileSystem(file_system) => draw(&mut file_system.uuid, random),
        Payload::Swap(swap) => draw(&mut swap.uuid, random),
        Payload::Btrfs(btrfs) => {
            draw(&mut btrfs.uuid, random);
            for subvolume in &mut btrfs.subvolumes {
                subvolume.uuid.clone_from(&btrfs.uuid);
            }
        }
        Payload::Lvm(group) => {
            for volume in &mut group.logical_volumes {
                if let Some(payload) = &mut volume.payload {
                    draw_payload(payload, random);
                }
            }
        }
        Payload::Luks(luks) => {
            draw(&mut luks.uuid, random);
            if let Some(payload) = &mut luks.payload {
                draw_payload(payload, random);
            }
        }
        Payload::Raw { .. } => {}
    }
}

fn draw(uuid: &mut String, random: &mut Random) {
    if uuid.is_empty() {
        *uuid = random.uuid();
    }
}
