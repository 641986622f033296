//! Partition tables.

use super::form::is_uuid;
use super::{Once, Rules, below, place};
use crate::diagnostic::dotted;
use crate::model::{Disk, FsType, Partition, PartitionTable, PlainPartition};
use osbuild_wasm_manifest::problem::{Path, PathElement};

/// How many partitions a table of kind dos has.
const MAX_DOS: usize = 4;
/// How many UTF-16 units a label of a GPT partition has.
const MAX_GPT_LABEL: usize = 36;

/// What is unique in the whole disk.
pub(super) struct Names<'b> {
    pub(super) mount_points: Once<&'b str>,
    pub(super) volume_groups: Once<&'b str>,
}

impl<'b> Rules<'b> {
    /// Partition tables.
    pub(super) fn disk(&mut self) {
        let Some(disk) = &self.customizations().disk else {
            return;
        };
        if !self.customizations().filesystem.is_empty() {
            self.error(
                place!["disk"],
                "`customizations.disk` cannot be used together with `customizations.filesystem`",
                "excludes `filesystem`",
                "give the file systems as partitions of the disk",
            );
        }
        self.table(disk);
        self.layout(disk);
        let mut names = Names {
            mount_points: Once::new("mount point"),
            volume_groups: Once::new("volume group"),
        };
        let mut ids = Once::new("UUID of a partition");
        for (index, partition) in disk.partitions.iter().enumerate() {
            let path = place!["disk", "partitions", index];
            self.in_table(disk.table, &path, partition);
            if let Some(uuid) = partition.part_uuid() {
                ids.note(
                    self,
                    uuid.to_ascii_lowercase(),
                    below(&path, ["part_uuid".into()]),
                );
            }
            self.positive(below(&path, ["minsize".into()]), partition.minsize());
            match partition {
                Partition::Plain(plain) => self.plain(&path, plain, &mut names),
                Partition::Lvm(group) => self.volume_group(&path, group, &mut names),
                Partition::Btrfs(volume) => self.btrfs(&path, volume, &mut names),
            }
        }
        let sizes = disk.partitions.iter().map(Partition::minsize);
        self.sum(
            place!["disk"],
            sizes.chain(disk.minsize).chain(disk.start_offset),
        );
    }

    fn table(&mut self, disk: &Disk) {
        if disk.table == Some(PartitionTable::Dos) && disk.partitions.len() > MAX_DOS {
            self.error(
                place!["disk", "partitions", MAX_DOS],
                format!(
                    "a partition table of type dos has at most {MAX_DOS} partitions, not {}",
                    disk.partitions.len()
                ),
                "the fifth",
                "use `type = \"gpt\"`, or fewer partitions",
            );
        }
        // What Linux has.
        let is_possible = |size: u64| size.is_power_of_two() && (512..=4096).contains(&size);
        if let Some(size) = disk.sector_size.filter(|size| !is_possible(*size)) {
            self.error(
                place!["disk", "sector_size"],
                format!("`customizations.disk.sector_size` must be a power of 2 from 512 to 4096, not {size}"),
                "expected 512 or 4096",
                "leave it out for 512",
            );
        }
    }

    /// What is not supported together, or several times.
    fn layout(&mut self, disk: &Disk) {
        let positions = |wanted: fn(&Partition) -> bool| -> Vec<usize> {
            let partitions = disk.partitions.iter().enumerate();
            partitions
                .filter(|(_, partition)| wanted(partition))
                .map(|(index, _)| index)
                .collect()
        };
        let groups = positions(|partition| matches!(partition, Partition::Lvm(_)));
        let volumes = positions(|partition| matches!(partition, Partition::Btrfs(_)));
        if let (Some(group), Some(volume)) = (groups.first(), volumes.first()) {
            self.error(
                place!["disk", "partitions", *group.max(volume), "type"],
                "btrfs and LVM cannot be used on the same disk",
                "excludes the other",
                "use one of them, with several subvolumes or logical volumes",
            );
        }
        for (places, what, parts) in [
            (groups, "LVM volume group", "logical volumes"),
            (volumes, "btrfs volume", "subvolumes"),
        ] {
            if let Some(second) = places.get(1) {
                self.error(
                    place!["disk", "partitions", *second, "type"],
                    format!("a disk can have one {what} only"),
                    "the second",
                    format!("put its {parts} into the first one"),
                );
            }
        }
    }

    /// What a partition is in the table.
    fn in_table(
        &mut self,
        table: Option<PartitionTable>,
        path: &[PathElement],
        partition: &Partition,
    ) {
        let place = |key: &str| below(path, [key.into()]);
        if let Some(part_type) = partition.part_type() {
            self.part_type(table, place("part_type"), part_type);
        }
        let only_gpt = [
            ("part_uuid", partition.part_uuid()),
            ("part_label", partition.part_label()),
        ];
        for (key, value) in only_gpt {
            if value.is_some() && table == Some(PartitionTable::Dos) {
                let message = format!(
                    "`{}` is not supported by a partition table of type dos",
                    dotted(&place(key))
                );
                self.error(
                    place(key),
                    message,
                    "only on gpt",
                    "leave it out, or use `type = \"gpt\"`",
                );
            }
        }
        if let Some(uuid) = partition.part_uuid().filter(|uuid| !is_uuid(uuid)) {
            let hint = "32 hexadecimal digits with hyphens, as uuidgen prints them";
            self.malformed(place("part_uuid"), uuid, "UUID", hint);
        }
        let label = partition.part_label().unwrap_or_default();
        if label.encode_utf16().count() > MAX_GPT_LABEL {
            let message = format!(
                "`{}` is too long for a label of a partition",
                dotted(&place("part_label"))
            );
            let expected = format!("expected at most {MAX_GPT_LABEL} characters");
            self.error(place("part_label"), message, expected, "shorten it");
        }
    }

    fn part_type(&mut self, table: Option<PartitionTable>, path: Path, given: &str) {
        let is_dos = given.len() == 2 && given.chars().all(|digit| digit.is_ascii_hexdigit());
        let (fits, what) = match table {
            Some(PartitionTable::Gpt) => (is_uuid(given), "a UUID on gpt"),
            Some(PartitionTable::Dos) => (is_dos, "two hexadecimal digits on dos"),
            None => (
                is_uuid(given) || is_dos,
                "a UUID on gpt, two hexadecimal digits on dos",
            ),
        };
        if !fits {
            let message = format!(
                "`{}` {given:?} is no partition type: it must be {what}",
                dotted(&path)
            );
            self.error(
                path,
                message,
                format!("expected {what}"),
                "leave it out: it follows from what is on the partition",
            );
        }
    }

    fn plain(&mut self, path: &[PathElement], plain: &'b PlainPartition, names: &mut Names<'b>) {
        let place = |key: &str| below(path, [key.into()]);
        let mount_point = plain.mountpoint.as_deref();
        match plain.fs_type {
            Some(kind @ (FsType::None | FsType::Swap)) => {
                self.not_mounted(place("mountpoint"), mount_point, kind)
            }
            Some(kind) => {
                self.mounted(path, mount_point, names);
                self.boot_file_system(place("fs_type"), mount_point, kind);
            }
            None => {
                self.mounted(path, mount_point, names);
                self.no_file_system(path);
            }
        }
        self.label(place("label"), plain.label.as_deref(), plain.fs_type);
    }

    /// A partition or volume without file system has no mount point.
    pub(super) fn not_mounted(&mut self, path: Path, mount_point: Option<&str>, kind: FsType) {
        if let Some(mount_point) = mount_point {
            let message = format!(
                "`{}` {mount_point:?} must not be given where `fs_type` is `{}`",
                dotted(&path),
                kind.as_str()
            );
            self.error(
                path,
                message,
                "expected none",
                "leave it out, or choose a file system",
            );
        }
    }

    /// A partition or volume with a file system has one, which no other has.
    pub(super) fn mounted(
        &mut self,
        path: &[PathElement],
        mount_point: Option<&'b str>,
        names: &mut Names<'b>,
    ) {
        let Some(mount_point) = mount_point else {
            let message = format!("`{}` has no `mountpoint`", dotted(path));
            let hint = "add `mountpoint`; only `fs_type` `swap` or `none` goes without";
            return self.error(path.to_vec(), message, "`mountpoint` is missing here", hint);
        };
        let place = below(path, ["mountpoint".into()]);
        self.mount_point(place.clone(), mount_point);
        names.mount_points.note(self, mount_point, place);
    }

    pub(super) fn no_file_system(&mut self, path: &[PathElement]) {
        let message = format!("`{}` has no `fs_type`", dotted(path));
        self.error(
            path.to_vec(),
            message,
            "`fs_type` is missing here",
            "add `fs_type`: `ext4`, `xfs`, `vfat` or `swap`",
        );
    }

    fn boot_file_system(&mut self, path: Path, mount_point: Option<&str>, kind: FsType) {
        let (mount_point, possible) = match mount_point {
            Some("/boot") => ("/boot", &[FsType::Xfs, FsType::Ext4][..]),
            Some("/boot/efi") => ("/boot/efi", &[FsType::Vfat][..]),
            _ => return,
        };
        if !possible.contains(&kind) {
            let names: Vec<&str> = possible.iter().map(|kind| kind.as_str()).collect();
            let names = names.join(" or ");
            let message = format!(
                "`{}` `{}` cannot be booted from as `{mount_point}`",
                dotted(&path),
                kind.as_str()
            );
            self.error(
                path,
                message,
                format!("expected {names}"),
                format!("the boot loader reads {names} there"),
            );
        }
    }

    /// Labels have a length that depends on the file system.
    pub(super) fn label(&mut self, path: Path, label: Option<&str>, kind: Option<FsType>) {
        let most = match kind {
            Some(FsType::Ext4) => 16,
            Some(FsType::Xfs) => 12,
            Some(FsType::Vfat) => 11,
            _ => return,
        };
        if label.is_some_and(|label| label.len() > most) {
            let message = format!("`{}` is too long for the file system", dotted(&path));
            self.error(
                path,
                message,
                format!("expected at most {most} bytes"),
                "shorten it",
            );
        }
    }
}
