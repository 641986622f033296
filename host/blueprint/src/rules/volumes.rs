//! Logical volumes of LVM and subvolumes of btrfs.

use super::disk::Names;
use super::form::is_volume_name;
use super::{Once, Rules, below};
use crate::diagnostic::dotted;
use crate::model::{BtrfsVolume, FsType, LogicalVolume, LvmVolumeGroup};
use osbuild_wasm_manifest::problem::{Path, PathElement};

/// What firmware and boot loader read themselves.
const BOOT: [&str; 2] = ["/boot", "/boot/efi"];

impl<'b> Rules<'b> {
    pub(super) fn volume_group(
        &mut self,
        path: &[PathElement],
        group: &'b LvmVolumeGroup,
        names: &mut Names<'b>,
    ) {
        if let Some(name) = group.name.as_deref() {
            let place = below(path, ["name".into()]);
            self.volume_name(place.clone(), name);
            names.volume_groups.note(self, name, place);
        }
        let mut volumes = Once::new("logical volume");
        for (index, volume) in group.logical_volumes.iter().enumerate() {
            let path = below(path, ["logical_volumes".into(), index.into()]);
            if let Some(name) = volume.name.as_deref() {
                let place = below(&path, ["name".into()]);
                self.volume_name(place.clone(), name);
                volumes.note(self, name, place);
            }
            self.logical_volume(&path, volume, names);
        }
        let sizes = group.logical_volumes.iter().map(|volume| volume.minsize);
        self.sum(below(path, ["logical_volumes".into()]), sizes);
    }

    fn logical_volume(
        &mut self,
        path: &[PathElement],
        volume: &'b LogicalVolume,
        names: &mut Names<'b>,
    ) {
        let place = |key: &str| below(path, [key.into()]);
        let mount_point = volume.mountpoint.as_deref();
        self.positive(place("minsize"), volume.minsize);
        match volume.fs_type {
            Some(FsType::Swap) => self.not_mounted(place("mountpoint"), mount_point, FsType::Swap),
            Some(FsType::None) => {
                let message = format!(
                    "`{}` cannot be `none` on a logical volume",
                    dotted(&place("fs_type"))
                );
                self.error(
                    place("fs_type"),
                    message,
                    "expected a file system",
                    "write `ext4`, `xfs`, `vfat` or `swap`",
                );
            }
            kind => {
                self.mounted(path, mount_point, names);
                if let Some(boot) = mount_point.filter(|path| BOOT.contains(path)) {
                    self.no_boot(place("mountpoint"), boot, "a logical volume");
                }
                if kind.is_none() {
                    self.no_file_system(path);
                }
            }
        }
        self.label(place("label"), volume.label.as_deref(), volume.fs_type);
    }

    pub(super) fn btrfs(
        &mut self,
        path: &[PathElement],
        volume: &'b BtrfsVolume,
        names: &mut Names<'b>,
    ) {
        if volume.subvolumes.is_empty() {
            let message = format!("`{}` has no `subvolumes`", dotted(path));
            let hint = "add `subvolumes`, each with `name` and `mountpoint`: the volume itself is not mounted";
            self.error(path.to_vec(), message, "`subvolumes` is missing here", hint);
        }
        let mut subvolumes = Once::new("subvolume");
        for (index, subvolume) in volume.subvolumes.iter().enumerate() {
            let path = below(path, ["subvolumes".into(), index.into()]);
            let place = |key: &str| below(&path, [key.into()]);
            subvolumes.note(self, subvolume.name.as_str(), place("name"));
            self.mounted(&path, Some(&subvolume.mountpoint), names);
            if subvolume.mountpoint == "/boot/efi" {
                self.no_boot(place("mountpoint"), "/boot/efi", "a btrfs subvolume");
            }
        }
    }

    fn no_boot(&mut self, path: Path, mount_point: &str, what: &str) {
        let message = format!("`{}` `{mount_point}` cannot be {what}", dotted(&path));
        self.error(
            path,
            message,
            "expected another mount point",
            "make it a partition of type `plain`, or leave it out: it is added where it is needed",
        );
    }

    fn volume_name(&mut self, path: Path, name: &str) {
        if !is_volume_name(name) {
            let hint = "letters, digits, `+`, `_`, `.` and `-`, not with `-` first";
            self.malformed(path, name, "name of a volume", hint);
        }
    }
}
