//! What is where in a btrfs that is mounted nowhere, and how to change its leaves in place; see "On-disk format" of the btrfs
//! documentation. Numbers are little-endian.
//!
//! The image was made by programs of a build root, so nothing in it is believed: whatever does not fit is an error.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::leaf::{HEADER, Key, Leaf, broken, key, number};

const SUPERBLOCK: u64 = 64 << 10;
const MAGIC: &[u8; 8] = b"_BHRfS_M";
/// The kind of checksums that is known: CRC-32C, of everything behind their own place.
const CRC32C: u64 = 0;
const CRC: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISCSI);
const SUM: usize = 32;
/// The chunks in the superblock, by which the tree of all chunks is found.
const CHUNKS: usize = 811;
const CHUNK: u8 = 228;
const CHUNK_HEADER: usize = 48;
const STRIPE: usize = 32;
const KEY: usize = 17;
/// Kinds of chunks whose stripes are not copies of each other.
const STRIPED: u64 = 0x8 | 0x40 | 0x80 | 0x100;
/// The trees of files and of extents in the tree of trees.
const FILES: Key = Key(5, 132, 0);
const EXTENTS: Key = Key(2, 132, 0);
/// The feature that files have no items for their holes.
const NO_HOLES: u64 = 1 << 9;
const POINTER: usize = 33;
/// No tree is higher.
const LEVELS: u64 = 8;
/// More blocks than any tree of a build has.
const BLOCKS: usize = 1 << 22;

/// A run of logical bytes, and where its copies are in the image.
struct Chunk {
    start: u64,
    length: u64,
    copies: Vec<u64>,
}

/// An image.
pub struct Disk {
    file: File,
    node: usize,
    chunks: Vec<Chunk>,
    /// The trees of files and of extents.
    roots: [u64; 2],
    features: u64,
}

impl Disk {
    /// Opens an image; none when it has checksums or stripes of other kinds.
    pub fn open(image: &Path) -> io::Result<Option<Self>> {
        let file = File::options().read(true).write(true).open(image)?;
        let mut superblock = [0; 4096];
        file.read_exact_at(&mut superblock, SUPERBLOCK)?;
        let field = |at, length| number(&superblock, at, length);
        let node = usize::try_from(field(148, 4)?).map_err(|_| broken())?;
        let is_known = [4096, 8192, 16384, 32768, 65536].contains(&node);
        if superblock[64..72] != *MAGIC || !is_known {
            return Err(broken());
        }
        let size = field(160, 4)? as usize;
        let system = superblock.get(CHUNKS..CHUNKS + size).ok_or_else(broken)?;
        let mut disk = Self {
            file,
            node,
            chunks: system_chunks(system)?,
            roots: [0; 2],
            features: field(188, 8)?,
        };
        let mut all = Vec::new();
        disk.leaves(field(88, 8)?, &mut |leaf| {
            let items = leaf.items.iter().filter(|(key, _)| key.1 == CHUNK);
            items
                .map(|(key, item)| chunk(*key, item))
                .try_for_each(|chunk| {
                    all.push(chunk?);
                    Ok(())
                })
        })?;
        let copies = all.iter().all(|chunk| !chunk.copies.is_empty());
        if field(196, 2)? != CRC32C || !copies {
            return Ok(None);
        }
        disk.chunks = all;
        let mut roots = [None; 2];
        disk.leaves(field(80, 8)?, &mut |leaf| {
            for (root, tree) in roots.iter_mut().zip([FILES, EXTENTS]) {
                let mut items = leaf.items.iter();
                if let Some((_, item)) = items.find(|(key, _)| *key == tree) {
                    *root = Some(number(item, 176, 8)?);
                }
            }
            Ok(())
        })?;
        let [Some(files), Some(extents)] = roots else {
            return Err(broken());
        };
        disk.roots = [files, extents];
        Ok(Some(disk))
    }

    /// Calls `visit` with each leaf of the tree of files.
    pub fn visit(&self, visit: &mut dyn FnMut(&Leaf) -> io::Result<()>) -> io::Result<()> {
        self.leaves(self.roots[0], visit)
    }

    fn leaves(&self, root: u64, visit: &mut dyn FnMut(&Leaf) -> io::Result<()>) -> io::Result<()> {
        self.walk(root, &mut |_, leaf| visit(leaf))
    }

    /// Whether files have no items for their holes.
    pub fn has_no_holes(&self) -> bool {
        self.features & NO_HOLES != 0
    }

    /// Lets `change` change each leaf of the trees of files and of extents; false: there was no room for a change.
    pub fn change(&self, change: &mut dyn FnMut(&mut Leaf) -> bool) -> io::Result<bool> {
        let mut fits = true;
        for root in self.roots {
            let mut first = HashMap::new();
            self.walk(root, &mut |block, leaf| {
                let before = leaf.first();
                if !change(leaf) {
                    return Ok(());
                }
                let now = leaf.first().filter(|now| before != Some(*now));
                first.extend(before.zip(now));
                match leaf.bytes() {
                    Some(bytes) => self.write(block, bytes),
                    None => {
                        fits = false;
                        Ok(())
                    }
                }
            })?;
            if !first.is_empty() {
                self.point(root, &first, LEVELS)?;
            }
        }
        Ok(fits)
    }

    /// Gives the pointers to blocks the first keys that these have now.
    fn point(&self, block: u64, first: &HashMap<Key, Key>, above: u64) -> io::Result<()> {
        let mut bytes = self.read(block)?;
        let level = u64::from(bytes[HEADER - 1]);
        if level >= above {
            return Err(broken());
        }
        if level == 0 {
            return Ok(());
        }
        let mut is_changed = false;
        for index in 0..number(&bytes, 96, 4)? as usize {
            let at = index.checked_mul(POINTER).ok_or_else(broken)? + HEADER;
            self.point(number(&bytes, at + KEY, 8)?, first, level)?;
            if let Some(now) = first.get(&key(&bytes, at)?) {
                bytes[at..at + KEY].copy_from_slice(&now.bytes());
                is_changed = true;
            }
        }
        match is_changed {
            true => self.write(block, bytes),
            false => Ok(()),
        }
    }

    /// The leaves of a tree in the order of their keys, with their places.
    fn walk(
        &self,
        root: u64,
        visit: &mut dyn FnMut(u64, &mut Leaf) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut todo = vec![(root, LEVELS)];
        for _ in 0..BLOCKS {
            let Some((block, above)) = todo.pop() else {
                return Ok(());
            };
            let bytes = self.read(block)?;
            let level = u64::from(bytes[HEADER - 1]);
            if level >= above {
                return Err(broken());
            }
            if level == 0 {
                visit(block, &mut Leaf::read(&bytes)?)?;
                continue;
            }
            for index in (0..number(&bytes, 96, 4)? as usize).rev() {
                let at = index.checked_mul(POINTER).ok_or_else(broken)?;
                todo.push((number(&bytes, HEADER + at + KEY, 8)?, level));
            }
        }
        Err(broken())
    }

    /// The places of a block in the image.
    fn copies(&self, block: u64) -> io::Result<impl Iterator<Item = u64>> {
        let within = |chunk: &&Chunk| {
            let inside = block.checked_sub(chunk.start);
            inside.is_some_and(|inside| inside < chunk.length)
        };
        let chunk = self.chunks.iter().find(within).ok_or_else(broken)?;
        let inside = block - chunk.start;
        Ok(chunk
            .copies
            .iter()
            .map(move |copy| copy.saturating_add(inside)))
    }

    fn read(&self, block: u64) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; self.node];
        let place = self.copies(block)?.next().ok_or_else(broken)?;
        self.file.read_exact_at(&mut bytes, place)?;
        match number(&bytes, 48, 8)? == block {
            true => Ok(bytes),
            false => Err(broken()),
        }
    }

    fn write(&self, block: u64, mut bytes: Vec<u8>) -> io::Result<()> {
        let sum = CRC.checksum(&bytes[SUM..]);
        bytes[..4].copy_from_slice(&sum.to_le_bytes());
        let mut copies = self.copies(block)?;
        copies.try_for_each(|place| self.file.write_all_at(&bytes, place))
    }
}

/// The chunks of the superblock.
fn system_chunks(bytes: &[u8]) -> io::Result<Vec<Chunk>> {
    let (mut chunks, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let stripes = number(bytes, at + KEY + 44, 2)? as usize;
        let end = at + KEY + CHUNK_HEADER + STRIPE * stripes;
        let item = bytes.get(at + KEY..end).ok_or_else(broken)?;
        chunks.push(chunk(key(bytes, at)?, item)?);
        at = end;
    }
    Ok(chunks)
}

/// A chunk of its item; without copies when its stripes are none.
fn chunk(key: Key, item: &[u8]) -> io::Result<Chunk> {
    let stripes = match number(item, 24, 8)? & STRIPED {
        0 => number(item, 44, 2)? as usize,
        _ => 0,
    };
    let place = |stripe: usize| number(item, CHUNK_HEADER + stripe * STRIPE + 8, 8);
    Ok(Chunk {
        start: key.2,
        length: number(item, 0, 8)?,
        copies: (0..stripes).map(place).collect::<io::Result<_>>()?,
    })
}
