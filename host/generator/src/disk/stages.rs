//! Stages that make what a table describes in the file of a disk.
use super::devices::{Placed, placed, whole_disk};
use crate::GeneratorError;
use crate::manifest::{Stage, pipeline_tree};
use osbuild_wasm_distro::{
    FileSystem, Luks, Partition, PartitionTable, PartitionTool, Payload, TableKind, VolumeGroup,
};
use serde_json::{Map, Value, json};

/// The stage that makes the file of the disk.
pub fn truncate_stage(table: &PartitionTable, file: &str) -> Stage {
    Stage::new(
        "truncate",
        json!({"filename": file, "size": table.size.to_string()}),
    )
}

/// The stage that writes the label of the disk.
///
/// # Errors
/// The tool cannot make a label of that kind.
pub fn label_stage(
    table: &PartitionTable,
    tool: PartitionTool,
    file: &str,
) -> Result<Stage, GeneratorError> {
    let (name, options) = match (tool, table.kind) {
        (PartitionTool::Sfdisk, kind) => {
            let label = match kind {
                TableKind::Gpt => "gpt",
                TableKind::Dos => "dos",
            };
            let partitions = partitions(table, str::to_owned);
            let options = json!({"label": label, "uuid": table.uuid, "partitions": partitions});
            ("sfdisk", options)
        }
        (PartitionTool::Sgdisk, TableKind::Gpt) => {
            let partitions = partitions(table, str::to_lowercase);
            let options = json!({"uuid": table.uuid.to_lowercase(), "partitions": partitions});
            ("sgdisk", options)
        }
        (PartitionTool::Sgdisk, TableKind::Dos) => {
            return Err(GeneratorError::PartitionTable(
                "sgdisk makes no DOS labels: use sfdisk or a GPT".into(),
            ));
        }
    };
    Ok(Stage::new(name, options).device("device", whole_disk(table, file, true)))
}

/// The partitions of a label, with UUIDs as the tool wants them; what is not set is left out.
fn partitions(table: &PartitionTable, uuid: fn(&str) -> String) -> Vec<Value> {
    let document = |partition: &Partition| {
        let mut fields = Map::new();
        if partition.bootable {
            fields.insert("bootable".into(), true.into());
        }
        fields.insert("size".into(), (partition.size / table.sector()).into());
        fields.insert("start".into(), (partition.start / table.sector()).into());
        for (key, value) in [
            ("name", partition.label.clone()),
            ("type", partition.kind.clone()),
            ("uuid", uuid(&partition.uuid)),
        ] {
            if !value.is_empty() {
                fields.insert(key.into(), value.into());
            }
        }
        if !partition.attrs.is_empty() {
            fields.insert("attrs".into(), json!(partition.attrs));
        }
        Value::Object(fields)
    };
    table.partitions.iter().map(document).collect()
}

/// The stages that make LUKS containers and volume groups.
pub fn container_stages(table: &PartitionTable, file: &str) -> Vec<Stage> {
    let mut stages = Vec::new();
    for placed in placed(table, file, true) {
        match placed.payload {
            Payload::Luks(luks) => stages.extend(luks_stages(luks, &placed)),
            Payload::Lvm(group) => stages.push(group_stage(group, &placed)),
            _ => {}
        }
    }
    stages
}

fn luks_stages(luks: &Luks, placed: &Placed<'_>) -> Vec<Stage> {
    let mut options = Map::new();
    for (key, text) in [
        ("passphrase", &luks.passphrase),
        ("uuid", &luks.uuid),
        ("cipher", &luks.cipher),
        ("label", &luks.label),
        ("subsystem", &luks.subsystem),
    ] {
        if !text.is_empty() {
            options.insert(key.into(), text.as_str().into());
        }
    }
    options.insert("sector-size".into(), luks.sector_size.into());
    options.insert(
        "pbkdf".into(),
        json!({
            "method": "argon2id",
            "iterations": luks.pbkdf.iterations,
            "memory": luks.pbkdf.memory,
            "parallelism": luks.pbkdf.parallelism,
        }),
    );
    let bind = luks.clevis.as_ref().map(
        |clevis| json!({"passphrase": luks.passphrase, "pin": clevis.pin, "policy": clevis.policy}),
    );
    [
        ("luks2.format", Some(options.into())),
        ("clevis.luks-bind", bind),
    ]
    .into_iter()
    .filter_map(|(name, options)| Some(Stage::new(name, options?).devices(placed.as_device())))
    .collect()
}

fn group_stage(group: &VolumeGroup, placed: &Placed<'_>) -> Stage {
    let volumes: Vec<Value> = group
        .logical_volumes
        .iter()
        .map(|volume| json!({"name": volume.name, "size": format!("{}B", volume.size)}))
        .collect();
    Stage::new("lvm2.create", json!({"volumes": volumes})).devices(placed.as_device())
}

/// The stages that make file systems, swap space and the content of raw partitions, whose files lie in the tree of
/// the pipeline `raw_from`.
///
/// # Errors
/// No stage makes a file system of that kind.
pub fn content_stages(
    table: &PartitionTable,
    file: &str,
    raw_from: &str,
) -> Result<Vec<Stage>, GeneratorError> {
    let mut stages = Vec::new();
    for placed in placed(table, file, true) {
        let stage = match placed.payload {
            Payload::FileSystem(file_system) => mkfs_stage(file_system)?,
            Payload::Btrfs(btrfs) => {
                Stage::new("mkfs.btrfs", identified(&btrfs.uuid, &btrfs.label).into())
            }
            Payload::Swap(swap) => Stage::new("mkswap", identified(&swap.uuid, &swap.label).into()),
            Payload::Raw { source_path } => Stage::new(
                "write-device",
                json!({"from": format!("input://tree/{}", source_path.trim_start_matches('/'))}),
            )
            .input("tree", pipeline_tree(raw_from)),
            Payload::Lvm(_) | Payload::Luks(_) => continue,
        };
        stages.push(stage.devices(placed.as_device()));
        if let Payload::Btrfs(btrfs) = placed.payload {
            let subvolumes: Vec<Value> = btrfs
                .subvolumes
                .iter()
                .map(|subvolume| json!({"name": format!("/{}", subvolume.name.trim_matches('/'))}))
                .collect();
            let mount = json!({
                "name": "volume",
                "type": "org.osbuild.btrfs",
                "source": "device",
                "target": "/",
                "options": {},
            });
            stages.push(
                Stage::new("btrfs.subvol", json!({"subvolumes": subvolumes}))
                    .devices(placed.as_device())
                    .mounts(vec![mount]),
            );
        }
    }
    Ok(stages)
}

fn mkfs_stage(file_system: &FileSystem) -> Result<Stage, GeneratorError> {
    let settings = &file_system.mkfs_options;
    let (name, options) = match file_system.kind.as_str() {
        "vfat" => {
            let mut options = Map::new();
            options.insert("volid".into(), file_system.uuid.replace('-', "").into());
            if !file_system.label.is_empty() {
                options.insert("label".into(), file_system.label.as_str().into());
            }
            if let Some(geometry) = &settings.geometry {
                options.insert("geometry".into(), json!(geometry));
            }
            ("mkfs.fat", options)
        }
        "ext4" => {
            let mut options = identified(&file_system.uuid, &file_system.label);
            if settings.verity {
                options.insert("verity".into(), true.into());
            }
            ("mkfs.ext4", options)
        }
        "xfs" => {
            let mut options = identified(&file_system.uuid, &file_system.label);
            if let Some(count) = settings.agcount {
                options.insert("agcount".into(), count.into());
            }
            ("mkfs.xfs", options)
        }
        other => {
            return Err(GeneratorError::PartitionTable(format!(
                "no stage makes a file system of kind {other:?} (for {})",
                file_system.mountpoint
            )));
        }
    };
    Ok(Stage::new(name, options.into()))
}

/// UUID and label, if there is one.
fn identified(uuid: &str, label: &str) -> Map<String, Value> {
    let mut options = Map::new();
    options.insert("uuid".into(), uuid.into());
    if !label.is_empty() {
        options.insert("label".into(), label.into());
    }
    options
}

/// The stages that end the work on volume groups and LUKS containers when everything is on them.
pub fn finishing_stages(table: &PartitionTable, file: &str) -> Vec<Stage> {
    let all = placed(table, file, true);
    let groups = all.iter().filter_map(|placed| match placed.payload {
        Payload::Lvm(group) => {
            Some(Stage::new("lvm2.metadata", metadata(group)).devices(placed.as_device()))
        }
        _ => None,
    });
    let keys = all.iter().filter_map(|placed| match placed.payload {
        Payload::Luks(luks) if luks.clevis.as_ref().is_some_and(|it| it.remove_passphrase) => Some(
            Stage::new("luks2.remove-key", json!({"passphrase": luks.passphrase}))
                .devices(placed.as_device()),
        ),
        _ => None,
    });
    groups.chain(keys).collect()
}

fn metadata(group: &VolumeGroup) -> Value {
    json!({"vg_name": group.name})
}
