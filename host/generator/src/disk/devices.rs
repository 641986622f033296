//! Devices of stages: how a partition, a logical volume or an opened LUKS container is reached from the file of the
//! disk.
use super::mounts::{Mount, escape, mounts_of};
use super::tree::payloads;
use osbuild_wasm_distro::{Partition, PartitionTable, Payload};
use serde_json::{Map, Value, json};

/// Name of a device in a stage, and the device.
type Device = (String, Value);

/// A payload with the devices from the partition to the one that it is on.
pub(super) struct Placed<'a> {
    pub(super) payload: &'a Payload,
    devices: Vec<Device>,
}

impl Placed<'_> {
    /// The devices of a stage that works on the last one, which it calls `device`.
    pub(super) fn as_device(&self) -> Map<String, Value> {
        let mut devices = self.devices.clone();
        if let Some((name, _)) = devices.last_mut() {
            *name = "device".into();
        }
        devices.into_iter().collect()
    }
}

/// All payloads of a table in the file of a disk, each before what is in it. A locked device has no other user while
/// the stage runs.
pub(super) fn placed<'a>(table: &'a PartitionTable, file: &str, lock: bool) -> Vec<Placed<'a>> {
    let mut all = Vec::new();
    for partition in &table.partitions {
        if let Some(payload) = &partition.payload {
            let device = loopback(table, partition, file, lock);
            place(payload, vec![(name(payload), device)], &mut all);
        }
    }
    all
}

fn place<'a>(payload: &'a Payload, devices: Vec<Device>, all: &mut Vec<Placed<'a>>) {
    let inner = inner_devices(payload);
    all.push(Placed {
        payload,
        devices: devices.clone(),
    });
    for (payload, device) in inner {
        let mut devices = devices.clone();
        devices.push((name(payload), device));
        place(payload, devices, all);
    }
}

/// What is directly in a payload, each with the device that it is on.
fn inner_devices(payload: &Payload) -> Vec<(&Payload, Value)> {
    let parent = name(payload);
    match payload {
        Payload::Lvm(group) => group
            .logical_volumes
            .iter()
            .filter_map(|volume| {
                let device = json!({
                    "type": "org.osbuild.lvm2.lv",
                    "parent": parent,
                    "options": {"volume": volume.name},
                });
                Some((volume.payload.as_ref()?, device))
            })
            .collect(),
        Payload::Luks(luks) => luks
            .payload
            .iter()
            .map(|inner| {
                let device = json!({
                    "type": "org.osbuild.luks2",
                    "parent": parent,
                    "options": {"passphrase": luks.passphrase},
                });
                (inner, device)
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// Name of the device that a payload is on.
pub(super) fn name(payload: &Payload) -> String {
    let of_uuid = |kind: &str, uuid: &str| {
        let digits: String = uuid.chars().take(4).collect();
        format!("{kind}-{digits}")
    };
    match payload {
        Payload::FileSystem(file_system) => escape(&file_system.mountpoint),
        Payload::Lvm(group) => group.name.clone(),
        Payload::Btrfs(btrfs) => of_uuid("btrfs", &btrfs.uuid),
        Payload::Luks(luks) => of_uuid("luks", &luks.uuid),
        Payload::Swap(swap) => of_uuid("swap", &swap.uuid),
        Payload::Raw { source_path } => format!("raw-{}", escape(source_path)),
    }
}

/// Names of devices that stand in one stage: those of containers and of what is mounted.
pub(super) fn names(table: &PartitionTable) -> Vec<String> {
    let is_named = |payload: &&Payload| !matches!(payload, Payload::Swap(_) | Payload::Raw { .. });
    payloads(table)
        .into_iter()
        .filter(is_named)
        .map(name)
        .collect()
}

/// The whole disk as a device.
pub fn whole_disk(table: &PartitionTable, file: &str, lock: bool) -> Value {
    loop_device(table, file, None, lock)
}

fn loopback(table: &PartitionTable, partition: &Partition, file: &str, lock: bool) -> Value {
    loop_device(table, file, Some(partition), lock)
}

/// A loop device; places and sizes are sectors.
fn loop_device(
    table: &PartitionTable,
    file: &str,
    partition: Option<&Partition>,
    lock: bool,
) -> Value {
    let mut options = Map::new();
    options.insert("filename".into(), file.into());
    if let Some(partition) = partition {
        for (key, bytes) in [("start", partition.start), ("size", partition.size)] {
            if bytes != 0 {
                options.insert(key.into(), (bytes / table.sector()).into());
            }
        }
    }
    if table.sector_size != 0 {
        options.insert("sector-size".into(), table.sector_size.into());
    }
    if lock {
        options.insert("lock".into(), true.into());
    }
    json!({"type": "org.osbuild.loopback", "options": options})
}

/// A mount of the device of this name.
pub(super) fn mount_document(mount: &Mount<'_>, source: &str) -> Value {
    let kind = match mount.kind {
        "vfat" => "fat",
        kind => kind,
    };
    let mut document = json!({
        "name": escape(mount.target),
        "type": format!("org.osbuild.{kind}"),
        "source": source,
        "target": mount.target,
    });
    if let Some((subvolume, compress)) = mount.subvolume {
        document["options"] = json!({"subvol": subvolume});
        if !compress.is_empty() {
            document["options"]["compress"] = compress.into();
        }
    }
    document
}

/// Devices and mounts of a stage that works on all file systems of a disk. The mounts are in the order of their
/// targets, so that each is there before what is mounted below it.
pub fn mounted_disk(table: &PartitionTable, file: &str) -> (Map<String, Value>, Vec<Value>) {
    let mut devices = Map::new();
    let mut mounts = Vec::new();
    for placed in placed(table, file, false) {
        let source = name(placed.payload);
        let here = mounts_of(placed.payload);
        if !here.is_empty() {
            devices.extend(placed.devices);
        }
        for mount in here {
            let document = mount_document(&mount, &source);
            mounts.push((mount.target.to_owned(), document));
        }
    }
    mounts.sort_by(|(one, _), (other, _)| one.cmp(other));
    (
        devices,
        mounts.into_iter().map(|(_, document)| document).collect(),
    )
}
