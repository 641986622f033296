//! Arithmetic of sizes, in bytes. Nothing overflows: what would be larger than 2⁶⁴ stays at the limit, and the layout
//! refuses such a disk.
use osbuild_wasm_distro::{Btrfs, Payload, VolumeGroup};

pub(super) const MIB: u64 = 1 << 20;
pub(super) const GIB: u64 = 1 << 30;
/// Unit of LVM: volumes and groups are multiples of it.
pub(super) const EXTENT: u64 = 4 * MIB;
/// What LVM keeps for itself in a group.
pub(super) const LVM_METADATA: u64 = MIB;
/// What LUKS keeps for itself in a container.
pub(super) const LUKS_METADATA: u64 = 16 * MIB;

/// The next multiple of `unit`, which is not 0.
pub(super) fn round_up(size: u64, unit: u64) -> u64 {
    size.div_ceil(unit).saturating_mul(unit)
}

/// Sum of sizes.
pub(super) fn sum(sizes: impl Iterator<Item = u64>) -> u64 {
    sizes.fold(0, u64::saturating_add)
}

/// What the volumes of a group and its metadata take.
pub(super) fn of_group(group: &VolumeGroup) -> u64 {
    sum(group.logical_volumes.iter().map(|volume| volume.size)).saturating_add(LVM_METADATA)
}

/// What subvolumes ask for together.
pub(super) fn of_subvolumes(btrfs: &Btrfs) -> u64 {
    sum(btrfs.subvolumes.iter().map(|subvolume| subvolume.size))
}

/// Size of what holds this and has `size` so far: as much as is in it needs, in units of LVM around a group. Inside of
/// a LUKS container something of that size is to fit.
pub(super) fn fit(payload: &Payload, size: u64) -> u64 {
    match payload {
        Payload::Lvm(group) => round_up(of_group(group).max(size), EXTENT),
        Payload::Btrfs(btrfs) => of_subvolumes(btrfs).max(size),
        Payload::Luks(luks) => match &luks.payload {
            Some(payload @ (Payload::Lvm(_) | Payload::Btrfs(_) | Payload::Luks(_))) => {
                fit(payload, size).saturating_add(LUKS_METADATA)
            }
            _ => size.max(LUKS_METADATA),
        },
        Payload::FileSystem(_) | Payload::Swap(_) | Payload::Raw { .. } => size,
    }
}
