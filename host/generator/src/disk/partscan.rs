//! A disk whose partitions the kernel finds: for programs that look at the disk themselves.
use super::devices::{mount_document, name};
use super::mounts::mounts_of;
use crate::GeneratorError;
use osbuild_wasm_distro::{LogicalVolume, PartitionTable, Payload};
use serde_json::{Map, Value, json};

/// Name of the whole disk.
const DISK: &str = "disk";

/// Devices and mounts of a stage that sees the whole disk, and all its file systems by their partitions. The mounts are
/// in the order of their targets.
///
/// # Errors
/// A file system lies where no partition leads to it.
pub fn scanned_disk(
    table: &PartitionTable,
    file: &str,
) -> Result<(Map<String, Value>, Vec<Value>), GeneratorError> {
    let mut options = json!({"filename": file, "partscan": true});
    if table.sector_size != 0 {
        options["sector-size"] = table.sector_size.into();
    }
    let mut devices = Map::new();
    let disk = json!({"type": "org.osbuild.loopback", "options": options});
    devices.insert(DISK.into(), disk);
    let mut mounts = Vec::new();
    for (number, partition) in (1_u64..).zip(&table.partitions) {
        match &partition.payload {
            Some(Payload::Lvm(group)) => {
                for volume in &group.logical_volumes {
                    add_volume(volume, number, &mut devices, &mut mounts);
                }
            }
            Some(Payload::Luks(_)) => {
                return Err(GeneratorError::PartitionTable(format!(
                    "partition {number} is a LUKS container, which the installation of a bootable container cannot open"
                )));
            }
            Some(payload) => mounts.extend(mounts_of(payload).into_iter().map(|mount| {
                let mut document = mount_document(&mount, DISK);
                document["partition"] = number.into();
                (mount.target.to_owned(), document)
            })),
            None => {}
        }
    }
    mounts.sort_by(|(one, _), (other, _)| one.cmp(other));
    let mounts = mounts.into_iter().map(|(_, document)| document).collect();
    Ok((devices, mounts))
}

fn add_volume(
    volume: &LogicalVolume,
    partition: u64,
    devices: &mut Map<String, Value>,
    mounts: &mut Vec<(String, Value)>,
) {
    let Some(payload) = &volume.payload else {
        return;
    };
    for mount in mounts_of(payload) {
        let device = name(payload);
        let document = mount_document(&mount, &device);
        mounts.push((mount.target.to_owned(), document));
        let options = json!({"volume": volume.name, "vg_partnum": partition});
        devices.insert(
            device,
            json!({"type": "org.osbuild.lvm2.lv", "parent": DISK, "options": options}),
        );
    }
}
