//! A table that a blueprint describes, with what firmware and the system need beside it.
use super::create::{GROUP_DESCRIPTION, unique, volume_name};
use super::mounts::mount;
use super::request::{TableRequest, require};
use super::size::{EXTENT, GIB, MIB, round_up};
use super::tree::{holds, payloads};
use super::types::{BIOS_BOOT_UUID, ESP_UUID, ESP_VOLUME_ID, Purpose};
use crate::GeneratorError;
use osbuild_wasm_blueprint::model::{
    self as blueprint, BtrfsVolume, Disk, FsType, LvmVolumeGroup, PlainPartition,
};
use osbuild_wasm_distro::{
    Arch, BootMode, Btrfs, FileSystem, LogicalVolume, Partition, PartitionTable, Payload,
    Subvolume, Swap, TableKind, VolumeGroup,
};

/// Options of the EFI system partition in fstab.
const ESP_OPTIONS: &str = "defaults,uid=0,gid=0,umask=077,shortname=winnt";
/// Type of a FAT partition in a DOS label.
const FAT: &str = "06";
/// Options of any other file system.
const OPTIONS: &str = "defaults";

/// The described table, laid out.
pub(super) fn table(
    request: &TableRequest<'_>,
    disk: &Disk,
) -> Result<PartitionTable, GeneratorError> {
    let mut table = PartitionTable {
        kind: match disk.table {
            Some(blueprint::PartitionTable::Gpt) => TableKind::Gpt,
            Some(blueprint::PartitionTable::Dos) => TableKind::Dos,
            None => request.base.kind,
        },
        policy: request.base.policy.clone(),
        start_offset: disk.start_offset.map_or(0, blueprint::Size::bytes),
        sector_size: disk.sector_size.unwrap_or(0),
        ..PartitionTable::default()
    };
    let mut maker = Maker {
        request,
        disk,
        table: &mut table,
    };
    maker.add_for_firmware();
    maker.add_boot()?;
    for partition in &disk.partitions {
        maker.add_described(partition)?;
    }
    maker.add_root()?;
    if let Some(sizes) = request.required_sizes.filter(|sizes| !sizes.is_empty()) {
        require(&mut table, sizes);
    }
    let count = table.partitions.len();
    if table.kind == TableKind::Dos && count > 4 {
        return Err(GeneratorError::PartitionTable(format!(
            "invalid partition table: \"dos\" partition table type only supports up to 4 partitions: got {count} after \
             creating the partition table with all necessary partitions"
        )));
    }
    let least = disk.minsize.map_or(0, blueprint::Size::bytes);
    super::lay_out(&mut table, request.size.unwrap_or(least))?;
    Ok(table)
}

/// A table in the making.
struct Maker<'a> {
    request: &'a TableRequest<'a>,
    disk: &'a Disk,
    table: &'a mut PartitionTable,
}

impl Maker<'_> {
    fn kind(&self, purpose: Purpose) -> String {
        purpose
            .partition_type(self.table.kind, self.request.arch)
            .into()
    }

    /// What the blueprint mounts on a partition of its own there.
    fn has_plain(&self, mountpoint: &str) -> bool {
        self.disk.partitions.iter().any(|partition| {
            matches!(partition, blueprint::Partition::Plain(plain) if plain.mountpoint.as_deref() == Some(mountpoint))
        })
    }

    /// Partitions that firmware starts from.
    fn add_for_firmware(&mut self) {
        use BootMode::{Hybrid, Legacy, Uefi};
        match (self.request.arch, self.request.boot_mode) {
            (_, BootMode::None) | (Arch::S390x, _) => {}
            (Arch::X86_64, Legacy) => self.add_core(Purpose::BiosBoot, MIB),
            (Arch::X86_64, Uefi) => self.add_esp(),
            (Arch::X86_64, Hybrid) => {
                self.add_core(Purpose::BiosBoot, MIB);
                self.add_esp();
            }
            (Arch::Aarch64 | Arch::Riscv64, _) => self.add_esp(),
            (Arch::Ppc64le, _) => self.add_core(Purpose::Prep, 4 * MIB),
        }
    }

    /// A partition for the core of GRUB.
    fn add_core(&mut self, purpose: Purpose, size: u64) {
        let uuid = match purpose {
            Purpose::BiosBoot => BIOS_BOOT_UUID,
            _ => "",
        };
        self.table.partitions.push(Partition {
            size,
            kind: self.kind(purpose),
            bootable: true,
            uuid: uuid.into(),
            ..Partition::default()
        });
    }

    fn add_esp(&mut self) {
        if self.has_plain("/boot/efi") {
            return;
        }
        self.table.partitions.push(Partition {
            size: esp_size(self.request.base).unwrap_or(200 * MIB),
            kind: self.kind(Purpose::Esp),
            uuid: ESP_UUID.into(),
            payload: Some(Payload::FileSystem(FileSystem {
                kind: "vfat".into(),
                uuid: ESP_VOLUME_ID.into(),
                label: "ESP".into(),
                mountpoint: "/boot/efi".into(),
                fstab_options: ESP_OPTIONS.into(),
                fstab_passno: 2,
                ..FileSystem::default()
            })),
            ..Partition::default()
        });
    }

    /// A `/boot` for a root that bootloaders cannot read.
    fn add_boot(&mut self) -> Result<(), GeneratorError> {
        let readable = self.has_plain("/")
            || self.has_plain("/boot")
            || self.disk.partitions.iter().any(|partition| {
                matches!(partition, blueprint::Partition::Btrfs(btrfs) if has_root_and_boot(btrfs))
            });
        let only_plain = self
            .disk
            .partitions
            .iter()
            .all(|partition| matches!(partition, blueprint::Partition::Plain(_)));
        if readable || only_plain || !self.table.policy.ensure_xbootldr {
            return Ok(());
        }
        let kind = match self.request.default_fs {
            "ext4" => "ext4",
            _ => "xfs",
        };
        let file_system = self.file_system("/boot", kind.into(), self.label("boot")?);
        self.table.partitions.push(Partition {
            size: GIB,
            kind: self.kind(Purpose::Boot),
            payload: Some(Payload::FileSystem(file_system)),
            ..Partition::default()
        });
        Ok(())
    }

    /// A label that no file system of the blueprint or of the table has.
    fn label(&self, name: &str) -> Result<String, GeneratorError> {
        unique(name, |label| {
            self.disk
                .partitions
                .iter()
                .flat_map(labels)
                .chain(labels_of_table(self.table))
                .any(|other| other == label)
        })
    }

    fn file_system(&self, mountpoint: &str, kind: String, label: String) -> FileSystem {
        FileSystem {
            kind,
            label,
            mountpoint: mountpoint.into(),
            fstab_options: match mountpoint {
                "/boot/efi" => ESP_OPTIONS.into(),
                _ => OPTIONS.into(),
            },
            ..FileSystem::default()
        }
    }

    fn default_fs(&self) -> Result<String, GeneratorError> {
        match self.request.default_fs {
            "" => Err(GeneratorError::PartitionTable(
                "no filesystem type defined and no default set".into(),
            )),
            kind => Ok(kind.into()),
        }
    }

    fn add_described(&mut self, described: &blueprint::Partition) -> Result<(), GeneratorError> {
        let (purpose, payload) = match described {
            blueprint::Partition::Plain(plain) => self.plain(plain)?,
            blueprint::Partition::Lvm(group) => {
                (Purpose::Lvm, Some(Payload::Lvm(self.group(group)?)))
            }
            blueprint::Partition::Btrfs(volume) => {
                (Purpose::Data, Some(Payload::Btrfs(btrfs(volume))))
            }
        };
        let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
        self.table.partitions.push(Partition {
            size: described.minsize().bytes(),
            kind: described
                .part_type()
                .map_or_else(|| self.kind(purpose), str::to_owned),
            uuid: text(described.part_uuid()),
            label: text(described.part_label()),
            payload,
            ..Partition::default()
        });
        Ok(())
    }

    fn plain(&self, plain: &PlainPartition) -> Result<(Purpose, Option<Payload>), GeneratorError> {
        let mountpoint = plain.mountpoint.as_deref().unwrap_or_default();
        let payload = self.content(plain.fs_type, mountpoint, plain.label.as_deref())?;
        let purpose = match payload {
            Some(Payload::Swap(_)) => Purpose::Swap,
            _ => Purpose::of_mountpoint(mountpoint),
        };
        Ok((purpose, payload))
    }

    /// What is on a plain partition or a logical volume.
    fn content(
        &self,
        kind: Option<FsType>,
        mountpoint: &str,
        label: Option<&str>,
    ) -> Result<Option<Payload>, GeneratorError> {
        let label = label.unwrap_or_default().to_owned();
        let kind = match kind {
            Some(FsType::None) => return Ok(None),
            Some(FsType::Swap) => {
                return Ok(Some(Payload::Swap(Swap {
                    label,
                    fstab_options: OPTIONS.into(),
                    ..Swap::default()
                })));
            }
            Some(kind) => kind.as_str().to_owned(),
            None => self.default_fs()?,
        };
        let file_system = self.file_system(mountpoint, kind, label);
        Ok(Some(Payload::FileSystem(file_system)))
    }

    fn group(&self, described: &LvmVolumeGroup) -> Result<VolumeGroup, GeneratorError> {
        let mut group = VolumeGroup {
            name: self.group_name(described)?,
            description: GROUP_DESCRIPTION.into(),
            logical_volumes: Vec::new(),
        };
        for volume in &described.logical_volumes {
            let mountpoint = volume.mountpoint.as_deref().unwrap_or_default();
            let payload = self.content(volume.fs_type, mountpoint, volume.label.as_deref())?;
            let base = match payload {
                Some(Payload::Swap(_)) => "swap",
                _ => mountpoint,
            };
            let name = match &volume.name {
                Some(name) => name.clone(),
                None => volume_name(&group, base)?,
            };
            group.logical_volumes.push(LogicalVolume {
                name,
                size: round_up(volume.minsize.bytes(), EXTENT),
                payload,
            });
        }
        Ok(group)
    }

    /// Its name, or the first of `vg00`, `vg01` ... that no group of the blueprint or the table has.
    fn group_name(&self, described: &LvmVolumeGroup) -> Result<String, GeneratorError> {
        if let Some(name) = &described.name {
            return Ok(name.clone());
        }
        let described = self.disk.partitions.iter().filter_map(|other| match other {
            blueprint::Partition::Lvm(group) => group.name.as_deref(),
            _ => None,
        });
        let made = payloads(self.table)
            .into_iter()
            .filter_map(|payload| match payload {
                Payload::Lvm(group) => Some(group.name.as_str()),
                _ => None,
            });
        let taken: Vec<&str> = described.chain(made).collect();
        (0..100)
            .map(|number| format!("vg{number:02}"))
            .find(|name| !taken.contains(&name.as_str()))
            .ok_or_else(|| GeneratorError::PartitionTable("all of vg00 to vg99 are taken".into()))
    }

    /// The root of the system where nothing is mounted there: in the first volume group, the first btrfs or a
    /// partition of its own.
    fn add_root(&mut self) -> Result<(), GeneratorError> {
        if mount(self.table, "/").is_some() {
            return Ok(());
        }
        let file_system = self.file_system("/", self.default_fs()?, self.label("root")?);
        let payload = Payload::FileSystem(file_system);
        let kind = self.kind(Purpose::Root);
        let rank = |payload: &Payload| match payload {
            Payload::Lvm(_) => 0,
            Payload::Btrfs(_) => 1,
            _ => 2,
        };
        let holder = self
            .table
            .partitions
            .iter_mut()
            .filter_map(|partition| partition.payload.as_mut())
            .min_by_key(|payload| rank(payload));
        match holder {
            Some(Payload::Lvm(group)) => group.logical_volumes.push(LogicalVolume {
                name: volume_name(group, "/")?,
                size: 0,
                payload: Some(payload),
            }),
            Some(Payload::Btrfs(btrfs)) => {
                let name = unique("root", |name| {
                    btrfs.subvolumes.iter().any(|other| other.name == name)
                })?;
                btrfs.subvolumes.push(Subvolume {
                    name,
                    mountpoint: "/".into(),
                    ..Subvolume::default()
                });
            }
            _ => self.table.partitions.push(Partition {
                kind,
                payload: Some(payload),
                ..Partition::default()
            }),
        }
        Ok(())
    }
}

fn btrfs(described: &BtrfsVolume) -> Btrfs {
    Btrfs {
        subvolumes: described
            .subvolumes
            .iter()
            .map(|subvolume| Subvolume {
                name: subvolume.name.clone(),
                mountpoint: subvolume.mountpoint.clone(),
                ..Subvolume::default()
            })
            .collect(),
        ..Btrfs::default()
    }
}

fn has_root_and_boot(volume: &BtrfsVolume) -> bool {
    ["/", "/boot"].into_iter().all(|path| {
        volume
            .subvolumes
            .iter()
            .any(|subvolume| subvolume.mountpoint == path)
    })
}

/// Labels of file systems of a described partition.
fn labels(described: &blueprint::Partition) -> Vec<&str> {
    match described {
        blueprint::Partition::Plain(plain) => plain.label.as_deref().into_iter().collect(),
        blueprint::Partition::Lvm(group) => group
            .logical_volumes
            .iter()
            .filter_map(|volume| volume.label.as_deref())
            .collect(),
        blueprint::Partition::Btrfs(_) => Vec::new(),
    }
}

/// Labels of file systems of a table.
fn labels_of_table(table: &PartitionTable) -> impl Iterator<Item = &str> {
    payloads(table)
        .into_iter()
        .filter_map(|payload| match payload {
            Payload::FileSystem(file_system) => Some(file_system.label.as_str()),
            _ => None,
        })
}

/// Size of the EFI system partition of a table.
fn esp_size(table: &PartitionTable) -> Option<u64> {
    let is_esp = |partition: &&Partition| {
        let is_mounted = || {
            partition
                .payload
                .as_ref()
                .is_some_and(|payload| holds(payload, "/boot/efi"))
        };
        Purpose::Esp.has_type(table.kind, &partition.kind)
            || table.kind == TableKind::Dos && partition.kind == FAT && is_mounted()
    };
    table
        .partitions
        .iter()
        .find(is_esp)
        .map(|partition| partition.size)
}
