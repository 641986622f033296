//! Attributes in an image: where their values are, and how one loses its value, which xfs_db(8) cannot do.

use std::io;

use super::disk::{Disk, Field, SUM, Summed};
use super::inode::{Fork, Inode, broken, number};

const REMOTE_HEADER: usize = 56;
const LEAF_HEADER: usize = 80;
const LEAF_MAGIC: u64 = 0x3bee;
/// In the header of a leaf: the bytes of its values with their names, and whether there are holes between these.
const LEAF_USED: usize = 58;
const LEAF_HOLES: usize = 62;
/// Before the name of an attribute that is in an inode or in a leaf with its value.
const ENTRY_HEADER: usize = 3;

impl Disk {
    /// Where the value of an attribute is; `flags` are its namespace.
    pub fn value(&self, inode: &Inode, flags: u64, name: &[u8]) -> io::Result<Vec<Field>> {
        if inode.format(Fork::Attributes) == 1 {
            return short_value(inode, flags, name);
        }
        let blocks = self.blocks(inode, Fork::Attributes, SUM)?;
        for (_, of) in &blocks {
            let bytes = self.read(*of)?;
            if number(&bytes, 8, 2)? != LEAF_MAGIC {
                continue;
            }
            for index in 0..number(&bytes, 56, 2)? as usize {
                let entry = LEAF_HEADER + index * 8;
                let at = number(&bytes, entry + 4, 2)? as usize;
                let own = number(&bytes, entry + 6, 1)?;
                let is_local = own & 1 != 0;
                let (name_at, length) = match is_local {
                    true => (at + 3, number(&bytes, at, 2)? as usize),
                    false => (at + 9, number(&bytes, at + 4, 4)? as usize),
                };
                let name_length = number(&bytes, name_at - 1, 1)? as usize;
                if own & 6 != flags || bytes.get(name_at..name_at + name_length) != Some(name) {
                    continue;
                }
                if is_local {
                    let at = name_at + name_length;
                    return Ok(vec![Field {
                        of: *of,
                        at,
                        length,
                    }]);
                }
                let first = number(&bytes, at, 4)?;
                let rest = blocks.iter().filter(|(place, _)| *place >= first);
                return Ok(remote(rest.map(|(_, of)| *of), length));
            }
        }
        Err(broken())
    }

    /// Takes the only byte of an attribute's value away. What this program knows of the inode's attributes is wrong then.
    pub fn empty_value(&self, inode: &Inode, flags: u64, name: &[u8]) -> io::Result<()> {
        let fields = self.value(inode, flags, name)?;
        let [value @ Field { length: 1, .. }] = fields[..] else {
            return Err(broken());
        };
        let entry = value.at.checked_sub(name.len() + ENTRY_HEADER);
        let entry = entry.ok_or_else(broken)?;
        match inode.format(Fork::Attributes) == 1 {
            true => self.shorten(inode, entry, value),
            false => self.shorten_in_leaf(entry, value),
        }
    }

    /// In an inode, where what follows moves up.
    fn shorten(&self, inode: &Inode, entry: usize, value: Field) -> io::Result<()> {
        let start = inode.bytes.len() - inode.fork(Fork::Attributes).len();
        let size = usize::try_from(number(&inode.bytes, start, 2)?).map_err(|_| broken())?;
        let all = inode.bytes.get(start..start + size).ok_or_else(broken)?;
        let mut bytes = all.to_vec();
        let at = value.at - start;
        if at >= size {
            return Err(broken());
        }
        bytes.remove(at);
        bytes.push(0);
        bytes[entry - start + 1] = 0;
        let smaller = u16::try_from(size - 1).map_err(|_| broken())?;
        bytes[..2].copy_from_slice(&smaller.to_be_bytes());
        self.write(&[(inode.field(start, size), &bytes)])
    }

    /// In a leaf, where entries fill whole words: one that is left over is a hole.
    fn shorten_in_leaf(&self, entry: usize, value: Field) -> io::Result<()> {
        let word = |bytes: usize| bytes.next_multiple_of(4);
        let length = value.at - entry;
        let left_over = word(length + 1) - word(length);
        let mut bytes = self.read(value.of)?;
        let used = number(&bytes, LEAF_USED, 2)?.checked_sub(left_over as u64);
        let used = used.and_then(|used| u16::try_from(used).ok());
        let used = used.ok_or_else(broken)?;
        bytes[LEAF_USED..LEAF_USED + 2].copy_from_slice(&used.to_be_bytes());
        bytes[LEAF_HOLES] |= u8::from(left_over > 0);
        bytes[entry..entry + 2].fill(0);
        bytes[value.at] = 0;
        self.write_block(value.of, bytes)
    }
}

fn short_value(inode: &Inode, flags: u64, name: &[u8]) -> io::Result<Vec<Field>> {
    let start = inode.bytes.len() - inode.fork(Fork::Attributes).len();
    let bytes = &inode.bytes;
    let mut at = start + 4;
    for _ in 0..number(bytes, start + 2, 1)? {
        let (name_length, length) = (
            number(bytes, at, 1)? as usize,
            number(bytes, at + 1, 1)? as usize,
        );
        let name_at = at + 3;
        let is_it = number(bytes, at + 2, 1)? & 6 == flags
            && bytes.get(name_at..name_at + name_length) == Some(name);
        if is_it {
            return Ok(vec![inode.field(name_at + name_length, length)]);
        }
        at = name_at + name_length + length;
    }
    Err(broken())
}

/// The fields of a value that fills blocks, each behind a header.
fn remote(blocks: impl Iterator<Item = Summed>, length: usize) -> Vec<Field> {
    let mut left = length;
    let mut fields = Vec::new();
    for of in blocks {
        let here = left.min(of.length - REMOTE_HEADER);
        if here > 0 {
            fields.push(Field {
                of,
                at: REMOTE_HEADER,
                length: here,
            });
        }
        left -= here;
    }
    fields
}
