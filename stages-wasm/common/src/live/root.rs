//! The root file system of a live system, made of that of a disk image.
use super::System;
use crate::image::{ROOT, SECTOR};
use crate::partitions::{self, Table};
use crate::{bls, globs};
use osbuild_stage::loopback::{Device, Options};
use osbuild_stage::mount::{FileSystem, Mounted};
use osbuild_stage::{Command, Context, Error, File, Result, Tree, bail, path};
use serde_json::Value;

/// Partitions of CoreOS, by number, and where they are mounted; the first only where the firmware is EFI.
const ESP: (u64, &str) = (2, "boot/efi");
const BOOT: (u64, &str) = (3, "boot");
const SYSTEM: (u64, &str) = (4, "");
const ALEPH: &str = ".aleph-version.json";
const REPOSITORY: &str = "ostree/repo/config";
/// Where file systems have their magic numbers: byte, and what is there.
const MAGIC: [(u64, &[u8], FileSystem); 3] = [
    (0, b"XFSB", FileSystem::Xfs),
    (0x438, b"\x53\xef", FileSystem::Ext4),
    (0x1_0040, b"_BHRfS_M", FileSystem::Btrfs),
];

/// A disk image of CoreOS whose file systems are mounted.
#[derive(Debug)]
pub struct Disk {
    /// The innermost last; each device outlives its mount.
    mounted: Vec<(Mounted, Device)>,
    /// The root of the system.
    pub root: Tree,
}

/// What the file system of a live system is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RootFs {
    /// Squashfs.
    Squashfs,
    /// EROFS.
    Erofs,
}

impl Disk {
    /// Mounts the file systems of an image, by contract path, to be changed.
    pub fn mount(image: &str, has_efi: bool) -> Result<Self> {
        let report = Command::new("sfdisk").args(["--json", image]).capture()?;
        let table = partitions::parse_any(&report)?;
        let file = Tree::contract().open(image)?;
        let mut disk = Self {
            mounted: Vec::new(),
            root: Tree::new(ROOT),
        };
        for (number, place) in [Some(SYSTEM), Some(BOOT), has_efi.then_some(ESP)]
            .into_iter()
            .flatten()
        {
            let (offset, size) = partition(&table, number)?;
            let kind = match number == ESP.0 {
                true => FileSystem::Vfat,
                false => file_system(&file, offset)
                    .with_context(|| format!("partition {number} of the disk image"))?,
            };
            let options = Options {
                offset,
                size: Some(size),
                sector_size: 512,
                read_only: false,
            };
            let device = Device::attach(image, options)?;
            let target = path::join(ROOT, place);
            let mounted = Mounted::new(&device.path(), &target, kind, false, &[])
                .with_context(|| format!("partition {number} of the disk image"))?;
            disk.mounted.push((mounted, device));
        }
        Ok(disk)
    }

    /// Makes it a system that runs from a medium: its repository can be written to an overlay, its kernel is found in /boot.
    pub fn prepare(&self) -> Result<()> {
        self.root.edit(REPOSITORY, |text| {
            let lines = text.split_inclusive('\n');
            Ok(lines
                .filter(|line| !line.contains("readonly=true"))
                .collect())
        })?;
        for pattern in ["boot/ostree/*/vmlinuz*", "boot/ostree/*/.*.hmac"] {
            let found = globs::expand(&self.root, pattern)?;
            let first = found
                .first()
                .ok_or_else(|| Error::new(format!("the disk image has no /{pattern}")))?;
            self.root
                .hard_link(first, &format!("boot/{}", path::name(first)))?;
        }
        Ok(())
    }

    /// The kernel arguments of its only boot loader entry.
    pub fn kernel_arguments(&self) -> Result<String> {
        let entries = bls::entries(&self.root, "boot")?;
        let [entry] = &entries[..] else {
            bail!(
                "the disk image has {} boot loader entries, not one",
                entries.len()
            );
        };
        let text = self.root.read_to_string(entry)?;
        let mut lines = text.lines();
        let options = lines.find_map(|line| line.strip_prefix("options "));
        let options = options.map(|options| options.trim().to_owned());
        options
            .ok_or_else(|| Error::new(format!("/{entry} of the disk image has no line `options`")))
    }

    /// The name of the system: the label of the container that it came from, else what the deployed tree calls itself.
    pub fn name(&self, system: &System) -> Result<String> {
        if let Some(text) = self.root.read_if_exists(ALEPH)? {
            let aleph: Value = serde_json::from_str(&text).context(ALEPH)?;
            let labels = &aleph["container-image"]["image-labels"];
            if let Some(name) = labels["com.coreos.osname"].as_str() {
                return Ok(name.to_owned());
            }
        }
        system.name()
    }

    /// Unmounts all; says whether everything was written.
    pub fn unmount(mut self) -> Result<()> {
        while let Some((mounted, device)) = self.mounted.pop() {
            mounted.unmount()?;
            device.detach()?;
        }
        Ok(())
    }
}

/// A partition's first byte and its length.
fn partition(table: &Table, number: u64) -> Result<(u64, u64)> {
    for found in &table.partitions {
        if found.number()? == number {
            return Ok((found.start * SECTOR, found.size * SECTOR));
        }
    }
    bail!("the disk image has no partition {number}")
}

fn file_system(image: &File, offset: u64) -> Result<FileSystem> {
    for (at, magic, kind) in MAGIC {
        if image.read_at(offset + at, magic.len())? == magic {
            return Ok(kind);
        }
    }
    bail!("there is no xfs, ext4 or btrfs on it")
}

impl RootFs {
    /// By the name that image.json has for it.
    pub fn named(name: &str) -> Result<Self> {
        match name {
            "squashfs" => Ok(Self::Squashfs),
            "erofs" => Ok(Self::Erofs),
            other => {
                bail!("a live root of file system `{other}` is not known; squashfs and erofs are")
            }
        }
    }

    /// Its file in the archive.
    pub fn file(self) -> &'static str {
        match self {
            Self::Squashfs => "root.squashfs",
            Self::Erofs => "root.erofs",
        }
    }

    /// Where the initramfs expects its magic number in the archive, whose first member it is.
    pub fn magic(self) -> (u64, &'static [u8]) {
        match self {
            Self::Squashfs => (124, b"hsqs"),
            Self::Erofs => (1148, b"\xe2\xe1\xf5\xe0"),
        }
    }

    /// Makes it of a directory; `options` are those of its program, none: the usual ones.
    pub fn make(self, directory: &str, image: &str, options: Option<&str>) -> Result<()> {
        let usual = match self {
            Self::Squashfs => "-comp zstd",
            Self::Erofs => "--quiet",
        };
        let options = shlex::split(options.unwrap_or(usual))
            .ok_or_else(|| Error::new("live-rootfs-fsoptions: a quotation is not closed"))?;
        match self {
            Self::Squashfs => Command::new("mksquashfs")
                .args([directory, image, "-root-becomes", directory])
                .args(["-wildcards", "-no-recovery"])
                .args(options),
            Self::Erofs => Command::new("mkfs.erofs")
                .args(options)
                .args([image, directory])
                .env("TMPDIR", "/var/tmp"),
        }
        .run()
    }
}
