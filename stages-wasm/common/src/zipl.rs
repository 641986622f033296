//! The boot loader of s390x.
use crate::bls;
use crate::image::{ROOT, SECTOR};
use osbuild_stage::loopback::{Device, Options};
use osbuild_stage::{Command, Error, Result, Tree, path};

/// Installs zipl for the first entry that is no rescue system into an image whose file systems are mounted at [`ROOT`]; `start` is
/// the first sector of the partition with /boot.
pub fn install(image: &str, start: u64) -> Result<()> {
    let root = Tree::new(ROOT);
    let entries = bls::entries(&root, "boot")?;
    let entry = entries
        .iter()
        .find(|entry| !entry.trim_end_matches(".conf").ends_with("rescue"));
    let entry =
        entry.ok_or_else(|| Error::new("zipl needs a boot loader entry in boot/loader/entries"))?;
    let text = root.read_to_string(entry)?;
    let parsed = bls::parse(&text)
        .ok_or_else(|| Error::new(format!("{entry}: a line is no key and value")))?;
    let file = |key: &str| {
        let value = bls::value(&parsed, key)
            .ok_or_else(|| Error::new(format!("{entry}: `{key}` is missing")))?;
        Ok::<_, Error>(path::join(ROOT, value))
    };
    let size = u32::try_from(SECTOR).unwrap_or(512);
    let disk = Device::attach(
        image,
        Options {
            offset: 0,
            size: None,
            sector_size: size,
            read_only: false,
        },
    )?;
    let (offset, block_size) = (start.to_string(), SECTOR.to_string());
    Command::new("zipl")
        .args(["--verbose", "--target", &path::join(ROOT, "boot")])
        .args(["--image", &file("linux")?, "--ramdisk", &file("initrd")?])
        .args([
            "--parameters",
            bls::value(&parsed, "options").unwrap_or_default(),
        ])
        .args(["--targetbase", &disk.path(), "--targettype", "SCSI"])
        .args(["--targetblocksize", &block_size, "--targetoffset", &offset])
        .run()?;
    disk.detach()
}
