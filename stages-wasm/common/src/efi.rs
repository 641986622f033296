//! EFI system partitions of media.
use crate::globs;
use crate::image::with_file_system;
use osbuild_stage::mount::FileSystem;
use osbuild_stage::{Command, CopyOptions, Error, FileType, Result, Tree, bail, path};

/// Bytes of a block of a tar archive, and of its records.
const BLOCK: u64 = 512;
const RECORD: u64 = 20 * BLOCK;
/// What a file system of its own needs.
const SPACE: u64 = 2 << 20;

const LINKS_FOLLOWED: CopyOptions = CopyOptions {
    remove_destination: false,
    follow: true,
};

/// Collects the boot loaders of a system in the new directory `to`: everything in BOOT, without what installs boot entries. Returns the
/// name of the directory of their vendor.
pub fn boot_loaders(system: &Tree, to: &Tree) -> Result<String> {
    to.create_dir("")?;
    let content = |source: &str| system.path(&format!("{source}/."));
    for source in sources(system)? {
        Tree::contract().copy(&content(&source), to.root(), LINKS_FOLLOWED)?;
    }
    let names = to.list("/")?.into_iter().map(|entry| entry.name);
    let vendors: Vec<_> = names.filter(|name| name != "BOOT").collect();
    let [vendor] = vendors.as_slice() else {
        bail!(
            "expected one directory of a vendor beside EFI/BOOT, found {}",
            vendors.join(", ")
        );
    };
    for pattern in [
        "BOOT/fb*.efi".to_owned(),
        format!("{vendor}/BOOT*.CSV"),
        format!("{vendor}/shim*.efi"),
    ] {
        let found = globs::expand(to, &pattern)?;
        if found.is_empty() {
            bail!("there is no EFI/{pattern} among the boot loaders");
        }
        found.iter().try_for_each(|path| to.remove(path))?;
    }
    for entry in to.list(vendor)? {
        let name = &entry.name;
        to.rename(&format!("{vendor}/{name}"), &format!("BOOT/{name}"))?;
    }
    to.remove(vendor)?;
    Ok(vendor.clone())
}

fn sources(system: &Tree) -> Result<Vec<String>> {
    let packaged = globs::expand(system, "usr/lib/efi/*/*/EFI")?;
    match packaged.len() {
        0 => {}
        2 => return Ok(packaged),
        number => {
            bail!("expected two directories /usr/lib/efi/*/*/EFI (shim and GRUB), found {number}")
        }
    }
    for place in ["usr/lib/bootupd/updates/EFI", "boot/efi/EFI"] {
        if system.is_dir(place)? {
            return Ok(vec![place.into()]);
        }
    }
    Err(Error::new(
        "there are no EFI boot loaders: neither /usr/lib/efi, /usr/lib/bootupd/updates/EFI nor /boot/efi/EFI",
    ))
}

/// Makes the file `image` of the tree, a FAT file system with the content of `directory` as /EFI.
pub fn boot_image(tree: &Tree, directory: &str, image: &str) -> Result<()> {
    tree.create(image)?.set_size(image_size(tree, directory)?)?;
    with_file_system(
        &tree.path(image),
        FileSystem::Vfat,
        &["utf8".into()],
        |device| {
            Command::new("mkfs.vfat")
                .args(["-I", "--mbr=n", "-n", "EFI-SYSTEM", device])
                .run()
        },
        |root| Tree::contract().copy(&tree.path(directory), &root.path("EFI"), LINKS_FOLLOWED),
    )
}

/// That of a tar archive, and space.
fn image_size(tree: &Tree, directory: &str) -> Result<u64> {
    let mut size = BLOCK;
    tree.walk(directory, &mut |path, metadata| {
        let content = match metadata.kind {
            FileType::Directory => 0,
            _ => tree.stat(path)?.size,
        };
        size += BLOCK + content.next_multiple_of(BLOCK);
        Ok(())
    })?;
    Ok((size + 2 * BLOCK).next_multiple_of(RECORD) + SPACE)
}

/// Adds the content of a file, by contract path, to the end of another; returns its new size.
pub fn append(tree: &Tree, file: &str, source: &str) -> Result<u64> {
    let to = tree.open_as(file, osbuild_stage::OpenMode::Update)?;
    let from = Tree::contract().open(source)?;
    let (at, length) = (to.stat()?.size, from.stat()?.size);
    if to.copy_from(&from, 0, at, length)? < length {
        bail!("{}: became shorter while it was read", path::name(source));
    }
    Ok(at + length)
}
