//! Raw images: files that are attached as devices, mounted and filled.
use crate::mkfs::Kind;
use osbuild_stage::loopback::{Device, Options};
use osbuild_stage::mount::{FileSystem, Mounted};
use osbuild_stage::{Context, CopyOptions, Result, Tree, path};

/// Bytes of a sector in partition tables.
pub const SECTOR: u64 = 512;
/// Where assemblers mount what they fill.
pub const ROOT: &str = "/run/osbuild/mounts/root";

/// A part of an image that becomes a file system.
#[derive(Debug, Clone)]
pub struct Volume {
    /// First byte in the image.
    pub offset: u64,
    /// Bytes; none: to the end.
    pub size: Option<u64>,
    /// Type of the file system.
    pub kind: Kind,
    /// Its UUID.
    pub uuid: String,
    /// Its label.
    pub label: Option<String>,
    /// Where it belongs in the tree.
    pub mount_point: String,
}

/// Makes the file systems of an image, mounts them below [`ROOT`], copies the tree into them and lets `finish` work on the result.
pub fn fill(
    image: &str,
    volumes: &[Volume],
    tree: &str,
    finish: impl FnOnce() -> Result<()>,
) -> Result<()> {
    let mut volumes: Vec<&Volume> = volumes.iter().collect();
    volumes.sort_by_key(|volume| volume.mount_point.len());
    // All before the first is mounted: mkfs.btrfs takes a device for mounted when another one of the same image is.
    let mut devices = Vec::new();
    for volume in &volumes {
        let made = volume.make(image);
        devices.push(made.with_context(|| format!("file system for {}", volume.mount_point))?);
    }
    let mut open = Vec::new();
    for (volume, device) in volumes.iter().zip(devices) {
        let mounted = volume.mount(&device);
        let mounted = mounted.with_context(|| format!("file system for {}", volume.mount_point))?;
        open.push((mounted, device));
    }
    let options = CopyOptions {
        remove_destination: false,
        follow: false,
    };
    Tree::contract()
        .copy(&path::join(tree, "."), ROOT, options)
        .context("cannot copy the tree into the image")?;
    finish()?;
    // The innermost first.
    while let Some((mounted, device)) = open.pop() {
        mounted.unmount()?;
        device.detach()?;
    }
    Ok(())
}

/// Attaches a file, lets `make` make a file system on the device, and `fill` fill it.
pub fn with_file_system(
    image: &str,
    kind: FileSystem,
    options: &[String],
    make: impl FnOnce(&str) -> Result<()>,
    fill: impl FnOnce(&Tree) -> Result<()>,
) -> Result<()> {
    let whole = Options {
        offset: 0,
        size: None,
        sector_size: 512,
        read_only: false,
    };
    let device = Device::attach(image, whole)?;
    make(&device.path())?;
    let mounted = Mounted::new(&device.path(), ROOT, kind, false, options)?;
    fill(&mounted.tree())?;
    mounted.unmount()?;
    device.detach()
}

impl Volume {
    fn make(&self, image: &str) -> Result<Device> {
        let options = Options {
            offset: self.offset,
            size: self.size,
            sector_size: 512,
            read_only: false,
        };
        let device = Device::attach(image, options)?;
        self.kind
            .make(&device.path(), &self.uuid, self.label.as_deref())?;
        Ok(device)
    }

    fn mount(&self, device: &Device) -> Result<Mounted> {
        let target = path::join(ROOT, &self.mount_point);
        Mounted::new(&device.path(), &target, self.kind.mounted(), false, &[])
    }
}
