//! New file systems in a table: in the volume group or the btrfs of the root, or in a partition.
use super::size::{EXTENT, GIB, round_up};
use super::tree::{holds, partition_of, payloads};
use super::types::Purpose;
use crate::GeneratorError;
use osbuild_wasm_distro::{
    Arch, Btrfs, FileSystem, LogicalVolume, Partition, PartitionTable, Payload, Subvolume,
    TableKind, VolumeGroup,
};

/// Description of volume groups that are made here.
pub(super) const GROUP_DESCRIPTION: &str = "created via lvm2 and osbuild";
/// Compression of subvolumes that are made here.
const COMPRESS: &str = "zstd:1";

fn error(message: impl Into<String>) -> GeneratorError {
    GeneratorError::PartitionTable(message.into())
}

/// Puts the root on a logical volume, with a `/boot` beside it.
pub(super) fn ensure_lvm(
    table: &mut PartitionTable,
    arch: Arch,
    default_fs: &str,
) -> Result<(), GeneratorError> {
    if partition_of(table, "/boot").is_none() {
        if !table.policy.ensure_xbootldr {
            return Err(error(
                "LVM partition table without /boot and policy says to not create one: manually create /boot",
            ));
        }
        add_boot(table, arch, default_fs)?;
    }
    if root_is_in(table, |payload| matches!(payload, Payload::Lvm(_))) {
        return Ok(());
    }
    let kind = Purpose::Lvm.partition_type(table.kind, arch);
    let root = root_partition(table)?;
    let Some(Payload::FileSystem(file_system)) = root.payload.take() else {
        return Err(error("Unsupported parent for LVM"));
    };
    root.payload = Some(Payload::Lvm(VolumeGroup {
        name: "rootvg".into(),
        description: GROUP_DESCRIPTION.into(),
        logical_volumes: vec![LogicalVolume {
            name: "rootlv".into(),
            size: round_up(root.size, EXTENT),
            payload: Some(Payload::FileSystem(file_system)),
        }],
    }));
    root.size = 0;
    root.kind = kind.into();
    Ok(())
}

/// Puts the root on a subvolume of a btrfs, with a `/boot` beside it if that is the policy.
pub(super) fn ensure_btrfs(
    table: &mut PartitionTable,
    arch: Arch,
    default_fs: &str,
) -> Result<(), GeneratorError> {
    if partition_of(table, "/boot").is_none() && table.policy.ensure_xbootldr {
        add_boot(table, arch, default_fs)?;
    }
    if root_is_in(table, |payload| matches!(payload, Payload::Btrfs(_))) {
        return Ok(());
    }
    let kind = Purpose::Root.partition_type(table.kind, arch);
    let root = root_partition(table)?;
    let Some(Payload::FileSystem(file_system)) = root.payload.take() else {
        return Err(error("Unsupported parent for btrfs"));
    };
    root.payload = Some(Payload::Btrfs(Btrfs {
        label: "root".into(),
        subvolumes: vec![Subvolume {
            read_only: file_system
                .fstab_options
                .split(',')
                .any(|option| option == "ro"),
            ..subvolume("/", root.size)
        }],
        ..Btrfs::default()
    }));
    root.size = 0;
    root.kind = kind.into();
    Ok(())
}

fn root_is_in(table: &PartitionTable, container: fn(&Payload) -> bool) -> bool {
    payloads(table)
        .into_iter()
        .any(|payload| container(payload) && holds(payload, "/"))
}

fn root_partition(table: &mut PartitionTable) -> Result<&mut Partition, GeneratorError> {
    let index = partition_of(table, "/").ok_or_else(|| error("nothing is mounted at /"))?;
    Ok(&mut table.partitions[index])
}

fn add_boot(
    table: &mut PartitionTable,
    arch: Arch,
    default_fs: &str,
) -> Result<(), GeneratorError> {
    add_partition(table, arch, "/boot", default_fs)?.size = GIB;
    Ok(())
}

/// Adds a file system that is mounted there, of no size yet: where the root is.
pub(super) fn add(
    table: &mut PartitionTable,
    arch: Arch,
    mountpoint: &str,
    default_fs: &str,
) -> Result<(), GeneratorError> {
    let added = match partition_of(table, "/").map(|root| &mut table.partitions[root].payload) {
        Some(Some(payload)) => add_beside_root(payload, mountpoint, default_fs)?,
        _ => false,
    };
    if !added {
        add_partition(table, arch, mountpoint, default_fs)?;
    }
    Ok(())
}

/// Whether this payload, which holds the root, or what is in it could take another file system.
fn add_beside_root(
    payload: &mut Payload,
    mountpoint: &str,
    default_fs: &str,
) -> Result<bool, GeneratorError> {
    match payload {
        Payload::Btrfs(btrfs) => {
            btrfs.subvolumes.push(subvolume(mountpoint, 0));
            Ok(true)
        }
        Payload::Lvm(group) => {
            let root = group
                .logical_volumes
                .iter_mut()
                .filter_map(|volume| volume.payload.as_mut())
                .find(|payload| holds(payload, "/"));
            if let Some(root) = root
                && add_beside_root(root, mountpoint, default_fs)?
            {
                return Ok(true);
            }
            group.logical_volumes.push(LogicalVolume {
                name: volume_name(group, mountpoint)?,
                size: 0,
                payload: Some(Payload::FileSystem(file_system(mountpoint, default_fs))),
            });
            Ok(true)
        }
        Payload::Luks(luks) => match &mut luks.payload {
            Some(payload) => add_beside_root(payload, mountpoint, default_fs),
            None => Ok(false),
        },
        Payload::FileSystem(_) | Payload::Swap(_) | Payload::Raw { .. } => Ok(false),
    }
}

fn add_partition<'a>(
    table: &'a mut PartitionTable,
    arch: Arch,
    mountpoint: &str,
    default_fs: &str,
) -> Result<&'a mut Partition, GeneratorError> {
    let (most, kind) = match table.kind {
        TableKind::Gpt => {
            let purpose = match mountpoint {
                "/boot" => Purpose::Boot,
                _ => Purpose::Data,
            };
            (128, purpose.partition_type(table.kind, arch))
        }
        TableKind::Dos => (4, ""),
    };
    if table.partitions.len() >= most {
        return Err(error(format!(
            "failed creating volume: maximum number of partitions reached ({most})"
        )));
    }
    Ok(table.partitions.push_mut(Partition {
        kind: kind.into(),
        payload: Some(Payload::FileSystem(file_system(mountpoint, default_fs))),
        ..Partition::default()
    }))
}

fn file_system(mountpoint: &str, default_fs: &str) -> FileSystem {
    FileSystem {
        kind: match (mountpoint, default_fs) {
            // GRUB's environment cannot be written to a btrfs.
            ("/boot", "btrfs") => "ext4".into(),
            _ => default_fs.into(),
        },
        mountpoint: mountpoint.into(),
        fstab_options: "defaults".into(),
        ..FileSystem::default()
    }
}

fn subvolume(mountpoint: &str, size: u64) -> Subvolume {
    let name = match mountpoint {
        "/" => "root",
        path => path.trim_start_matches('/'),
    };
    Subvolume {
        name: name.into(),
        size,
        mountpoint: mountpoint.into(),
        compress: COMPRESS.into(),
        ..Subvolume::default()
    }
}

/// A name for a volume with this mount point (`swap` for swap space) that no other of the group has.
pub(super) fn volume_name(group: &VolumeGroup, mountpoint: &str) -> Result<String, GeneratorError> {
    let name = match mountpoint {
        "/" => "rootlv".into(),
        path => format!("{}lv", path.trim_start_matches('/').replace('/', "_")),
    };
    unique(&name, |name| {
        group
            .logical_volumes
            .iter()
            .any(|volume| volume.name == name)
    })
}

/// The name, or if it is taken the name with the first free number from 00 to 99.
pub(super) fn unique(name: &str, taken: impl Fn(&str) -> bool) -> Result<String, GeneratorError> {
    std::iter::once(name.to_owned())
        .chain((0..100).map(|number| format!("{name}{number:02}")))
        .find(|candidate| !taken(candidate))
        .ok_or_else(|| {
            error(format!(
                "{name:?} and all of {name}00 to {name}99 are taken"
            ))
        })
}
