//! Types of partitions: GUIDs of the Discoverable Partitions Specification for GPT, two hex digits for DOS.
use osbuild_wasm_distro::{Arch, TableKind};

/// UUID of the partition with GRUB's core, where nothing else names one.
pub(super) const BIOS_BOOT_UUID: &str = "FAC7F1FB-3E8D-4137-A512-961DE09A5549";
/// UUID of the EFI system partition, where nothing else names one.
pub(super) const ESP_UUID: &str = "68B2905B-DF3E-4FB3-80FA-49D1E773AA33";
/// Volume id of the EFI system partition, where nothing else names one.
pub(super) const ESP_VOLUME_ID: &str = "7B77-95E7";

/// What a partition is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// GRUB's core, for BIOS.
    BiosBoot,
    /// EFI system partition.
    Esp,
    /// `/boot`.
    Boot,
    /// Any file system.
    Data,
    /// Volume group of LVM.
    Lvm,
    /// GRUB's core, for POWER.
    Prep,
    /// Swap space.
    Swap,
    /// `/`.
    Root,
    /// `/usr`.
    Usr,
}

impl Purpose {
    /// What a partition with this mount point is for; `swap` is that of swap space.
    pub fn of_mountpoint(mountpoint: &str) -> Self {
        match mountpoint {
            "/" => Self::Root,
            "/usr" => Self::Usr,
            "/boot" => Self::Boot,
            "/boot/efi" => Self::Esp,
            "swap" => Self::Swap,
            _ => Self::Data,
        }
    }

    /// The type in a table of this kind.
    pub fn partition_type(self, table: TableKind, arch: Arch) -> &'static str {
        match table {
            TableKind::Gpt => self.gpt(arch),
            TableKind::Dos => self.dos(),
        }
    }

    /// Whether this is its type in a table of this kind, on whatever architecture.
    pub fn has_type(self, table: TableKind, kind: &str) -> bool {
        Arch::ALL
            .into_iter()
            .any(|arch| self.partition_type(table, arch).eq_ignore_ascii_case(kind))
    }

    fn gpt(self, arch: Arch) -> &'static str {
        match self {
            Self::BiosBoot => "21686148-6449-6E6F-744E-656564454649",
            Self::Esp => "C12A7328-F81F-11D2-BA4B-00A0C93EC93B",
            Self::Boot => "BC13C2FF-59E6-4262-A352-B275FD6F7172",
            Self::Data => "0FC63DAF-8483-4772-8E79-3D69D8477DE4",
            Self::Lvm => "E6D6D379-F507-44C2-A23C-238F2A3DF928",
            Self::Prep => "9E1A2D38-C612-4316-AA26-8B49521E5A8B",
            Self::Swap => "0657FD6D-A4AB-43C4-84E5-0933C84B4F4F",
            Self::Root => match arch {
                Arch::X86_64 => "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709",
                Arch::Aarch64 => "B921B045-1DF0-41C3-AF44-4C6F280D3FAE",
                Arch::Ppc64le => "C31C45E6-3F39-412E-80FB-4809C4980599",
                Arch::S390x => "5EEAD9A9-FE09-4A1E-A1D7-520D00531306",
                Arch::Riscv64 => "72EC70A6-CF74-40E6-BD49-4BDA08E8F224",
            },
            Self::Usr => match arch {
                Arch::X86_64 => "8484680C-9521-48C6-9C11-B0720656F69E",
                Arch::Aarch64 => "B0E01050-EE5F-4390-949A-9101B17104E9",
                Arch::Ppc64le => "15BB03AF-77E7-4D4A-B12B-C0D084F7491C",
                Arch::S390x => "8A4F5770-50AA-4ED3-874A-99B710DB6FEA",
                Arch::Riscv64 => "BEAEC34B-8442-439B-A40B-984381ED097D",
            },
        }
    }

    fn dos(self) -> &'static str {
        match self {
            Self::BiosBoot => "00",
            Self::Esp => "ef",
            Self::Lvm => "8e",
            Self::Prep => "41",
            Self::Swap => "82",
            Self::Boot | Self::Data | Self::Root | Self::Usr => "83",
        }
    }
}
