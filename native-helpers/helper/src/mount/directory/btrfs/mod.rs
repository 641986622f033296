//! What `mkfs.btrfs --rootdir` does not take over from a directory: owner, mode, times and attributes of the root, the numbers of device
//! nodes, and of all times what is below a second. They are put into the file system's leaves afterwards.

mod disk;
mod leaf;

use std::collections::HashMap;
use std::fs::Metadata;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use osbuild_wasm_protocol::{ErrorCode, Failure};
use rustix::fs::{lgetxattr, major, minor};

use self::disk::Disk;
use self::leaf::{Key, Leaf, broken, number};
use super::content::{Content, attributes};
use super::fold::{Fold, Folds};
use crate::device::Node;
use crate::failure::About;

/// The inode of the root.
const ROOT: u64 = 256;
/// The most bytes of an extent that mkfs.btrfs makes; where one begins in its file, it is a multiple of this.
pub const EXTENT: u64 = 1 << 20;
/// Types of items: inodes, attributes, names in directories, data of files, extents, and the type of a reference in these.
const EXTENT_DATA: u8 = 108;
const EXTENT_ITEM: u8 = 168;
const REFERENCE: u64 = 178;
const INODE: u8 = 1;
const ATTRIBUTE: u8 = 24;
const NAME: u8 = 96;
/// What a name or an attribute begins with: its inode, generation, lengths and type.
const ENTRY: usize = 30;
/// The type of attributes.
const IS_ATTRIBUTE: u8 = 8;
/// Bytes of the largest value of an attribute.
const VALUE: usize = 64 << 10;
/// Hashes of names: CRC-32C, begun and ended in a way of their own (the polynomial is reflected, and so is how it begins).
const HASH: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::Algorithm {
    init: 0x7fff_ffff,
    xorout: 0,
    ..crc::CRC_32_ISCSI
});

/// Sets what differs.
/// `size` is that of the image, and the files in it were folded so.
pub fn repair(
    content: &Content<'_>,
    image: &Node,
    (size, folds): (u64, &Folds),
) -> Result<(), Failure> {
    let found = image.path.metadata().map(|found| found.len());
    if !found.is_ok_and(|found| found == size) {
        let detail = "mkfs.btrfs: its files take more space than there is";
        return Err(Failure::new(ErrorCode::NoSpace, "", detail));
    }
    let disk = Disk::open(&image.path).about("mkfs.btrfs", "read what it made")?;
    let top = &content.top;
    let disk = disk.ok_or_else(|| content.cannot(top, "checksums or stripes of this kind"))?;
    if !folds.is_empty() && !disk.has_no_holes() {
        return Err(content.cannot(top, "files with holes without the feature no-holes"));
    }
    let names = names(&disk).about("mkfs.btrfs", "read the names that it made")?;
    let inodes = inodes(content, &names)?;
    drop(names);
    let own = own_attributes(top)?;
    let unfolding = Unfolding {
        inodes: &inodes,
        folds,
    };
    let is_placed = unfolding.is_placed(&disk);
    if !is_placed.about("mkfs.btrfs", "read where it put files")? {
        return Err(content.cannot(
            top,
            "files with holes, of which this mkfs.btrfs makes one extent",
        ));
    }
    let changed = disk.change(&mut |leaf| {
        let is_changed = change(leaf, &inodes, &own);
        unfolding.change(leaf) || is_changed
    });
    match changed.about("mkfs.btrfs", "change what it made")? {
        true => Ok(()),
        false => Err(content.cannot(top, "as many attributes of its root and names there")),
    }
}

/// Puts the data of folded files where they were.
struct Unfolding<'a> {
    inodes: &'a HashMap<u64, Wanted>,
    folds: &'a Folds,
}

impl Unfolding<'_> {
    fn fold(&self, inode: u64) -> Option<&Fold> {
        self.folds.get(self.inodes.get(&inode)?.metadata.ino())
    }

    /// Whether each extent of a folded file lies within one of its parts.
    fn is_placed(&self, disk: &Disk) -> io::Result<bool> {
        let mut is_placed = true;
        disk.visit(&mut |leaf| {
            for (key, item) in leaf.items.iter().filter(|(key, _)| key.1 == EXTENT_DATA) {
                let Some(fold) = self.fold(key.0) else {
                    continue;
                };
                // No data are in the item itself: a folded file has whole blocks.
                let length = number(item, 45, 8)?;
                is_placed &= fold.place(key.2).is_some_and(|(_, run)| length <= run);
            }
            Ok(())
        })?;
        Ok(is_placed)
    }

    /// Changes a leaf of the tree of files or of extents; whether it did.
    fn change(&self, leaf: &mut Leaf) -> bool {
        let mut is_changed = false;
        for (key, item) in &mut leaf.items {
            is_changed |= match key.1 {
                INODE => self.resize(key.0, item),
                EXTENT_DATA => self.move_extent(key),
                EXTENT_ITEM => self.move_reference(item),
                _ => false,
            };
        }
        is_changed
    }

    fn resize(&self, inode: u64, item: &mut [u8]) -> bool {
        let (Some(fold), Some(size)) = (self.fold(inode), item.get_mut(16..24)) else {
            return false;
        };
        size.copy_from_slice(&fold.size.to_le_bytes());
        true
    }

    fn move_extent(&self, key: &mut Key) -> bool {
        let fold = self.fold(key.0);
        let Some((place, _)) = fold.and_then(|fold| fold.place(key.2)) else {
            return false;
        };
        key.2 = place;
        true
    }

    /// An extent says which place of which file it is.
    fn move_reference(&self, item: &mut [u8]) -> bool {
        let field = |at, length| number(item, at, length);
        let (Ok(REFERENCE), Ok(inode), Ok(folded)) = (field(24, 1), field(33, 8), field(41, 8))
        else {
            return false;
        };
        let fold = self.fold(inode);
        let Some((place, _)) = fold.and_then(|fold| fold.place(folded)) else {
            return false;
        };
        item[41..49].copy_from_slice(&place.to_le_bytes());
        true
    }
}

/// Inodes by directory and name.
type Names = HashMap<(u64, Vec<u8>), u64>;

fn names(disk: &Disk) -> io::Result<Names> {
    let mut names = Names::new();
    disk.visit(&mut |leaf| {
        for (key, item) in leaf.items.iter().filter(|(key, _)| key.1 == NAME) {
            let length = number(item, ENTRY - 3, 2)? as usize;
            let name = item.get(ENTRY..ENTRY + length).ok_or_else(broken)?;
            names.insert((key.0, name.to_vec()), number(item, 0, 8)?);
        }
        Ok(())
    })?;
    Ok(names)
}

/// What an inode is to have.
struct Wanted {
    metadata: Metadata,
    is_root: bool,
}

/// Everything in the directory, by its inode in the image.
fn inodes(content: &Content<'_>, names: &Names) -> Result<HashMap<u64, Wanted>, Failure> {
    let mut directories: HashMap<PathBuf, u64> = HashMap::new();
    let mut inodes = HashMap::new();
    content.visit(&mut |path, metadata| {
        let is_root = path == content.top;
        let missing = || io::Error::from(io::ErrorKind::NotFound);
        let inode = match is_root {
            true => Some(ROOT),
            false => find(path, &directories, names),
        };
        let inode = inode.ok_or_else(missing);
        let inode = inode.about(path, "find this file in the image")?;
        if metadata.is_dir() {
            directories.insert(path.to_owned(), inode);
        }
        let metadata = metadata.clone();
        inodes.insert(inode, Wanted { metadata, is_root });
        Ok(())
    })?;
    Ok(inodes)
}

fn find(path: &Path, directories: &HashMap<PathBuf, u64>, names: &Names) -> Option<u64> {
    let directory = directories.get(path.parent()?)?;
    let name = path.file_name()?.as_bytes().to_vec();
    names.get(&(*directory, name)).copied()
}

/// Items of the attributes of the root.
fn own_attributes(top: &Path) -> Result<Vec<(Key, Vec<u8>)>, Failure> {
    let mut items: Vec<(Key, Vec<u8>)> = Vec::new();
    for name in attributes(top)?
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
    {
        let mut value = Vec::with_capacity(VALUE);
        lgetxattr(top, name, rustix::buffer::spare_capacity(&mut value))
            .about(top, "read an attribute")?;
        let item = attribute(name, &value);
        let key = Key(ROOT, ATTRIBUTE, HASH.checksum(name).into());
        // Names of one hash share an item.
        match items.iter_mut().find(|(other, _)| *other == key) {
            Some((_, data)) => data.extend(item),
            None => items.push((key, item)),
        }
    }
    Ok(items)
}

fn attribute(name: &[u8], value: &[u8]) -> Vec<u8> {
    let mut item = vec![0; ENTRY - 5];
    // Neither is longer than the kernel lets attributes be.
    item.extend(u16::try_from(value.len()).unwrap_or(u16::MAX).to_le_bytes());
    item.extend(u16::try_from(name.len()).unwrap_or(u16::MAX).to_le_bytes());
    item.push(IS_ATTRIBUTE);
    item.extend(name);
    item.extend(value);
    item
}

/// Changes what differs in a leaf; whether anything did.
fn change(leaf: &mut Leaf, inodes: &HashMap<u64, Wanted>, own: &[(Key, Vec<u8>)]) -> bool {
    let mut is_changed = false;
    let mut has_root = false;
    for (key, item) in leaf.items.iter_mut().filter(|(key, _)| key.1 == INODE) {
        let Some(wanted) = inodes.get(&key.0).filter(|_| item.len() >= 160) else {
            continue;
        };
        has_root |= wanted.is_root;
        let before = item.clone();
        set(item, wanted);
        is_changed |= *item != before;
    }
    if has_root && !own.is_empty() {
        leaf.items.extend_from_slice(own);
        leaf.items.sort_by_key(|(key, _)| *key);
        is_changed = true;
    }
    is_changed
}

/// Sets the fields of an inode.
fn set(item: &mut [u8], wanted: &Wanted) {
    let metadata = &wanted.metadata;
    let mut put = |at: usize, bytes: &[u8]| item[at..at + bytes.len()].copy_from_slice(bytes);
    let device = metadata.rdev();
    if device != 0 {
        let number = u64::from(major(device)) << 20 | u64::from(minor(device));
        put(56, &number.to_le_bytes());
    }
    let nanoseconds = u32::try_from(metadata.mtime_nsec()).unwrap_or_default();
    let mut times = vec![136];
    if wanted.is_root {
        put(44, &metadata.uid().to_le_bytes());
        put(48, &metadata.gid().to_le_bytes());
        put(52, &metadata.mode().to_le_bytes());
        // Of access and of change, as for other files.
        times.extend([112, 124]);
    }
    for at in times {
        put(at, &metadata.mtime().to_le_bytes());
        put(at + 8, &nanoseconds.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_the_hash_that_btrfs_gives_them() {
        // As `btrfs inspect-internal dump-tree` shows them.
        assert_eq!(HASH.checksum(b"default"), 2_378_154_706);
    }
}
