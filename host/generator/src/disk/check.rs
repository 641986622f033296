//! What no table may have: stages and systems would take it for something else.
use super::devices::names;
use super::tree::payloads;
use crate::GeneratorError;
use osbuild_wasm_distro::{PartitionTable, Payload, TableKind};
use std::collections::HashSet;

/// Sectors that a DOS label can count.
const DOS_SECTORS: u64 = 1 << 32;

/// Refuses a table that is laid out and has identifiers, but cannot be made as it stands.
pub(super) fn check(table: &PartitionTable) -> Result<(), GeneratorError> {
    let error = [
        sizes(table),
        volumes(table),
        subvolumes(table),
        devices(table),
    ]
    .into_iter()
    .flatten()
    .next();
    match error {
        Some(error) => Err(GeneratorError::PartitionTable(error)),
        None => Ok(()),
    }
}

fn sizes(table: &PartitionTable) -> Option<String> {
    let empty = table.partitions.iter().position(|it| it.size == 0);
    if let Some(number) = empty {
        return Some(format!("partition {} has no size: give it one", number + 1));
    }
    let sectors = table.size / table.sector();
    (table.kind == TableKind::Dos && sectors > DOS_SECTORS).then(|| {
        format!(
            "the disk has {sectors} sectors, and a DOS label can count {DOS_SECTORS}: make it smaller, or take `gpt`"
        )
    })
}

fn volumes(table: &PartitionTable) -> Option<String> {
    let volumes = payloads(table)
        .into_iter()
        .filter_map(|payload| match payload {
            Payload::Lvm(group) => Some(&group.logical_volumes),
            _ => None,
        });
    volumes.flatten().find_map(|volume| {
        let name = &volume.name;
        if volume.size == 0 {
            return Some(format!(
                "logical volume {name:?} has no size: describe it with one"
            ));
        }
        (!is_volume_name(name)).then(|| {
            format!(
                "logical volume {name:?} has a name that LVM does not take: give it one of letters, digits, `+`, `_`, `.` \
                 and `-`"
            )
        })
    })
}

/// LVM's own rule for names of volumes.
fn is_volume_name(name: &str) -> bool {
    !name.starts_with('-')
        && !["", ".", ".."].contains(&name)
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+_.-".contains(&byte))
}

/// Names of subvolumes are options of mounts and arguments of the kernel.
fn subvolumes(table: &PartitionTable) -> Option<String> {
    let subvolumes = payloads(table)
        .into_iter()
        .filter_map(|payload| match payload {
            Payload::Btrfs(btrfs) => Some(&btrfs.subvolumes),
            _ => None,
        });
    let divides = |letter: char| letter == ',' || letter.is_whitespace() || letter.is_control();
    subvolumes
        .flatten()
        .find(|subvolume| {
            subvolume.name.contains(divides) || subvolume.name.split('/').any(|part| part == "..")
        })
        .map(|subvolume| {
            format!(
                "subvolume {:?} has a comma, a blank or `..` in its name, which options of mounts cannot have: give it \
                 another",
                subvolume.name
            )
        })
}

/// Stages know devices by names, which come from volume groups and mount points; what they work on is `device`, and
/// the whole is `disk`.
fn devices(table: &PartitionTable) -> Option<String> {
    let is_reserved = |payload: &&Payload| matches!(payload, Payload::Lvm(group) if ["device", "disk"].contains(&group.name.as_str()));
    let reserved = payloads(table)
        .into_iter()
        .filter(is_reserved)
        .map(super::devices::name);
    let mut seen = HashSet::new();
    reserved
        .chain(
            names(table)
                .into_iter()
                .filter(|name| !seen.insert(name.clone())),
        )
        .next()
        .map(|name| {
            format!(
                "two devices of the disk would be called {name:?}: give the volume group another name"
            )
        })
}
