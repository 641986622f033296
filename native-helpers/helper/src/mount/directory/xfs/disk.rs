//! What is where in an XFS of version 5 that is mounted nowhere, and how to change single fields of it; see "XFS Algorithms & Data
//! Structures" of the kernel's developers. Numbers are big-endian but for checksums.
//!
//! The image was made by programs of a build root, so nothing in it is believed: whatever does not fit is an error.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::inode::{CORE, EXTENTS, Extent, Fork, Inode, broken, number, push_extents};

const INODE_SUM: usize = 100;
pub(super) const DIRECTORY_SUM: usize = 4;
const DIRECTORY_HEADER: usize = 64;
/// Of attributes, remote values and targets of links.
pub(super) const SUM: usize = 12;
const NODE_HEADER: usize = 72;
/// Where a leaf has no neighbour.
const NO_BLOCK: u64 = u64::MAX;
/// Directories have their entries below this byte, what finds them above.
const ENTRIES_END: u64 = 1 << 35;

/// An image.
pub struct Disk {
    file: File,
    pub(super) block: u64,
    inode: u64,
    inodes_of_block: u32,
    group_bits: u32,
    group: u64,
    root: u64,
    types: bool,
    /// As blocks repeat it.
    uuid: [u8; 16],
}

/// A run of bytes with a checksum over all of them.
#[derive(Clone, Copy)]
pub struct Summed {
    pub(super) at: u64,
    pub(super) length: usize,
    /// Where in it the checksum is.
    pub(super) sum: usize,
}

/// Bytes somewhere in something with a checksum.
#[derive(Clone, Copy)]
pub struct Field {
    pub(super) of: Summed,
    pub(super) at: usize,
    pub length: usize,
}

/// An entry of a directory.
pub struct Entry {
    pub name: Vec<u8>,
    pub inode: u64,
    pub name_field: Field,
    pub inode_field: Field,
}

/// CRC-32C, as checksums of XFS are.
const CRC: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISCSI);

impl Disk {
    /// Opens an image; none when it is of another version, or has blocks of directories that are larger than others.
    pub fn open(image: &Path) -> io::Result<Option<Self>> {
        let file = File::options().read(true).write(true).open(image)?;
        let mut superblock = [0; 264];
        file.read_exact_at(&mut superblock, 0)?;
        let field = |at, length| number(&superblock, at, length);
        let version = field(100, 2)? & 0xf;
        if superblock[..4] != *b"XFSB" || version != 5 || superblock[192] != 0 {
            return Ok(None);
        }
        let disk = Self {
            file,
            block: field(4, 4)?,
            root: field(56, 8)?,
            group: field(84, 4)?,
            inode: field(104, 2)?,
            inodes_of_block: u32::from(superblock[123]),
            group_bits: u32::from(superblock[124]),
            types: field(216, 4)? & 1 != 0,
            uuid: *match field(216, 4)? & 4 {
                0 => superblock[32..].first_chunk(),
                _ => superblock[248..].first_chunk(),
            }
            .ok_or_else(broken)?,
        };
        let sizes = [512, 1024, 2048, 4096, 8192, 16384, 32768, 65536];
        let fits = sizes.contains(&disk.block) && sizes.contains(&disk.inode);
        let bits = disk.inodes_of_block < 16 && disk.group_bits < 32;
        (fits && bits).then_some(Some(disk)).ok_or_else(broken)
    }

    pub fn root(&self) -> u64 {
        self.root
    }

    pub(super) fn read(&self, of: Summed) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; of.length];
        self.file.read_exact_at(&mut bytes, of.at)?;
        Ok(bytes)
    }

    /// Changes fields, one after the other.
    pub fn write(&self, fields: &[(Field, &[u8])]) -> io::Result<()> {
        for (field, value) in fields {
            let of = field.of;
            let mut bytes = self.read(of)?;
            let place = bytes.get_mut(field.at..field.at + field.length);
            let place = place.filter(|place| place.len() == value.len());
            place.ok_or_else(broken)?.copy_from_slice(value);
            self.write_block(of, bytes)?;
        }
        Ok(())
    }

    /// Writes all bytes of something, with their checksum.
    pub(super) fn write_block(&self, of: Summed, mut bytes: Vec<u8>) -> io::Result<()> {
        bytes[of.sum..of.sum + 4].fill(0);
        let sum = CRC.checksum(&bytes);
        bytes[of.sum..of.sum + 4].copy_from_slice(&sum.to_le_bytes());
        self.file.write_all_at(&bytes, of.at)
    }

    /// The byte of a block, by the kernel's number.
    fn byte_of(&self, block: u64) -> io::Result<u64> {
        let (group, inside) = (
            block >> self.group_bits,
            block & ((1 << self.group_bits) - 1),
        );
        let block = group
            .checked_mul(self.group)
            .and_then(|first| first.checked_add(inside));
        block
            .and_then(|block| block.checked_mul(self.block))
            .ok_or_else(broken)
    }

    pub fn inode(&self, inode: u64) -> io::Result<Inode> {
        let index = inode & ((1 << self.inodes_of_block) - 1);
        let block = self.byte_of(inode >> self.inodes_of_block)?;
        let at = block.checked_add(index * self.inode).ok_or_else(broken)?;
        let of = Summed {
            at,
            length: usize::try_from(self.inode).map_err(|_| broken())?,
            sum: INODE_SUM,
        };
        let bytes = self.read(of)?;
        match (&bytes[..2], number(&bytes, 152, 8)? == inode) {
            (b"IN", true) => Ok(Inode { of, bytes }),
            _ => Err(broken()),
        }
    }

    fn summed(&self, block: u64, sum: usize) -> io::Result<Summed> {
        Ok(Summed {
            at: self.byte_of(block)?,
            length: usize::try_from(self.block).map_err(|_| broken())?,
            sum,
        })
    }

    /// The extents of a fork of an inode: its data or its attributes.
    pub(super) fn extents(&self, inode: &Inode, fork: Fork) -> io::Result<Vec<Extent>> {
        let literal = inode.fork(fork);
        let count = inode.extents(fork)?;
        let mut all = Vec::new();
        match inode.format(fork) {
            2 => push_extents(literal, 0, count, &mut all)?,
            3 => {
                let room = literal.len().saturating_sub(4) / 16;
                let root = number(literal, 4 + room * 8, 8)?;
                self.tree_extents(root, number(literal, 0, 2)?, &mut all)?;
            }
            _ => {}
        }
        Ok(all)
    }

    /// The extents in the leaves of a B+tree whose root is above `block`, on `level`.
    fn tree_extents(&self, block: u64, level: u64, all: &mut Vec<Extent>) -> io::Result<()> {
        let (mut block, mut level) = (block, level.checked_sub(1).ok_or_else(broken)?);
        for _ in 0..EXTENTS {
            let bytes = self.read(self.summed(block, 0)?)?;
            if !bytes.starts_with(b"BMA3") || number(&bytes, 4, 2)? != level {
                return Err(broken());
            }
            if level > 0 {
                let room = (bytes.len() - NODE_HEADER) / 16;
                block = number(&bytes, NODE_HEADER + room * 8, 8)?;
                level -= 1;
                continue;
            }
            push_extents(&bytes[NODE_HEADER..], 0, number(&bytes, 6, 2)?, all)?;
            block = number(&bytes, 16, 8)?;
            if block == NO_BLOCK {
                return Ok(());
            }
        }
        Err(broken())
    }

    /// The blocks of a fork with their place in it.
    pub(super) fn blocks(
        &self,
        inode: &Inode,
        fork: Fork,
        sum: usize,
    ) -> io::Result<Vec<(u64, Summed)>> {
        let mut blocks = Vec::new();
        for (first, block, count) in self.extents(inode, fork)? {
            for index in 0..count {
                if blocks.len() > EXTENTS {
                    return Err(broken());
                }
                blocks.push((first + index, self.summed(block + index, sum)?));
            }
        }
        Ok(blocks)
    }

    /// What is in a directory, `.` and `..` excepted.
    pub fn entries(&self, inode: &Inode) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        if inode.format(Fork::Data) == 1 {
            self.short_entries(inode, &mut entries)?;
            return Ok(entries);
        }
        for (place, of) in self.blocks(inode, Fork::Data, DIRECTORY_SUM)? {
            if place.saturating_mul(self.block) < ENTRIES_END {
                self.block_entries(of, &mut entries)?;
            }
        }
        Ok(entries)
    }

    fn short_entries(&self, inode: &Inode, entries: &mut Vec<Entry>) -> io::Result<()> {
        let bytes = &inode.bytes;
        let width = if number(bytes, CORE + 1, 1)? > 0 {
            8
        } else {
            4
        };
        let mut at = CORE + 2 + width;
        for _ in 0..number(bytes, CORE, 1)? {
            let length = number(bytes, at, 1)? as usize;
            let inode_at = at + 3 + length + usize::from(self.types);
            entries.push(entry(inode.of, bytes, (at + 3, length), (inode_at, width))?);
            at = inode_at + width;
        }
        Ok(())
    }

    fn block_entries(&self, of: Summed, entries: &mut Vec<Entry>) -> io::Result<()> {
        let bytes = self.read(of)?;
        let end = match &bytes[..4] {
            b"XDD3" => bytes.len(),
            b"XDB3" => {
                let leaves = number(&bytes, bytes.len() - 8, 4)? as usize;
                let tail = leaves
                    .checked_mul(8)
                    .and_then(|leaves| leaves.checked_add(8));
                tail.and_then(|tail| bytes.len().checked_sub(tail))
                    .ok_or_else(broken)?
            }
            _ => return Err(broken()),
        };
        let mut at = DIRECTORY_HEADER;
        while at < end {
            if number(&bytes, at, 2)? == 0xffff {
                let length = number(&bytes, at + 2, 2)? as usize;
                at += Some(length)
                    .filter(|length| *length > 0)
                    .ok_or_else(broken)?;
                continue;
            }
            let length = number(&bytes, at + 8, 1)? as usize;
            let found = entry(of, &bytes, (at + 9, length), (at, 8))?;
            if found.name != b"." && found.name != b".." {
                entries.push(found);
            }
            at += (11 + length + usize::from(self.types)).next_multiple_of(8);
        }
        Ok(())
    }

    /// Gives a symbolic link its target, which is as long as the one that it has. mkfs.xfs leaves out the header of a target in a block
    /// of its own. False: the target with its header does not fit there.
    pub fn write_target(&self, inode: &Inode, target: &[u8]) -> io::Result<bool> {
        if number(&inode.bytes, 56, 8)? != target.len() as u64 {
            return Err(broken());
        }
        if inode.format(Fork::Data) == 1 {
            let field = inode.field(CORE, target.len());
            return self.write(&[(field, target)]).map(|()| true);
        }
        let blocks = self.blocks(inode, Fork::Data, SUM)?;
        let [(0, of)] = blocks[..] else {
            return Ok(false);
        };
        let mut block = Vec::with_capacity(of.length);
        block.extend(b"XSLM");
        block.extend(0_u32.to_be_bytes());
        block.extend(
            u32::try_from(target.len())
                .map_err(|_| broken())?
                .to_be_bytes(),
        );
        block.extend([0; 4]);
        block.extend(self.uuid);
        block.extend(&inode.bytes[152..160]);
        block.extend((of.at / 512).to_be_bytes());
        block.extend([0; 8]);
        block.extend(target);
        if block.len() > of.length {
            return Ok(false);
        }
        block.resize(of.length, 0);
        let all = Field {
            of,
            at: 0,
            length: of.length,
        };
        self.write(&[(all, &block)]).map(|()| true)
    }
}

fn entry(
    of: Summed,
    bytes: &[u8],
    (name_at, length): (usize, usize),
    (inode_at, width): (usize, usize),
) -> io::Result<Entry> {
    let name = bytes.get(name_at..name_at + length).ok_or_else(broken)?;
    Ok(Entry {
        name: name.to_vec(),
        inode: number(bytes, inode_at, width)?,
        name_field: Field {
            of,
            at: name_at,
            length,
        },
        inode_field: Field {
            of,
            at: inode_at,
            length: width,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    /// Reads everything that is there.
    fn read_all(image: &Path) -> io::Result<usize> {
        let Some(disk) = Disk::open(image)? else {
            return Ok(0);
        };
        let mut todo = vec![disk.root()];
        let mut seen = 0;
        while let Some(number) = todo.pop() {
            let inode = disk.inode(number)?;
            inode.has_long_times()?;
            _ = disk.value(&inode, 0, b"a");
            _ = disk.write_target(&inode, b"");
            let Ok(entries) = disk.entries(&inode) else {
                continue;
            };
            seen += entries.len();
            if seen < 10000 {
                todo.extend(entries.iter().map(|entry| entry.inode));
            }
        }
        Ok(seen)
    }

    /// An image with a directory in blocks; none where there is no mkfs.xfs.
    fn image(scratch: &Path) -> Option<std::path::PathBuf> {
        let image = scratch.join("image");
        File::create(&image).unwrap().set_len(320 << 20).unwrap();
        let names = (0..200).map(|number| format!("name{number} ---644 0 0 /dev/null\n"));
        let text = format!(
            "/dev/null\n0 0\nd--755 0 0\n{}$\n",
            names.collect::<String>()
        );
        std::fs::write(scratch.join("prototype"), text).unwrap();
        let mut mkfs = Command::new("/usr/sbin/mkfs.xfs");
        let mkfs = mkfs.arg("-q").arg("-p").arg(scratch.join("prototype"));
        let made = mkfs.arg(&image).status().ok()?;
        made.success().then_some(image)
    }

    #[test]
    fn whatever_is_in_an_image_ends_in_an_error_or_not() {
        let scratch = tempfile::tempdir().unwrap();
        let Some(image) = image(scratch.path()) else {
            return;
        };
        assert_eq!(read_all(&image).unwrap(), 200);
        let disk = Disk::open(&image).unwrap().unwrap();
        let root = disk.inode(disk.root()).unwrap();
        let blocks = disk.blocks(&root, Fork::Data, DIRECTORY_SUM).unwrap();
        let mut areas = vec![(0, 264), (root.of.at, root.of.length)];
        areas.extend(blocks.iter().map(|(_, of)| (of.at, of.length)));
        let file = File::options().read(true).write(true).open(&image);
        let file = file.unwrap();
        let mut random = 1_u64;
        for _ in 0..3000 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let number = (random >> 33) as usize;
            let (at, length) = areas[number % areas.len()];
            let at = at + (number / 8 % length) as u64;
            let mut before = [0];
            file.read_exact_at(&mut before, at).unwrap();
            file.write_all_at(&[[0, 1, 0x7f, 0xff][number % 4]], at)
                .unwrap();
            _ = read_all(&image);
            file.write_all_at(&before, at).unwrap();
        }
    }
}
