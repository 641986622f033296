//! Making file systems for the assemblers.
use osbuild_stage::mount::FileSystem;
use osbuild_stage::{Command, Result};
use serde::Deserialize;

/// Types of file systems that assemblers make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// ext4.
    #[default]
    Ext4,
    /// XFS.
    Xfs,
    /// btrfs.
    Btrfs,
    /// FAT.
    Vfat,
}

impl Kind {
    /// The name that mount(8) and GRUB know.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ext4 => "ext4",
            Self::Xfs => "xfs",
            Self::Btrfs => "btrfs",
            Self::Vfat => "vfat",
        }
    }

    /// The kind that the host mounts.
    pub fn mounted(self) -> FileSystem {
        match self {
            Self::Ext4 => FileSystem::Ext4,
            Self::Xfs => FileSystem::Xfs,
            Self::Btrfs => FileSystem::Btrfs,
            Self::Vfat => FileSystem::Vfat,
        }
    }

    /// Makes the file system on a device or in a file.
    pub fn make(self, device: &str, uuid: &str, label: Option<&str>) -> Result<()> {
        let command = Command::new(format!("mkfs.{}", self.name()));
        let command = match self {
            // mkfs.ext4 asks before it takes a file that is no device.
            Self::Ext4 => command.args(["-U", uuid]).stdin("y"),
            Self::Xfs => command.args(["-m", &format!("uuid={uuid}")]),
            Self::Btrfs => command.args(["-U", uuid]),
            Self::Vfat => command.args(["-i", &uuid.replace('-', "")]),
        };
        let flag = if self == Self::Vfat { "-n" } else { "-L" };
        command
            .option(flag, label.filter(|label| !label.is_empty()))
            .arg(device)
            .run()
    }
}
