//! A leaf of a btrfs tree: items by key.

use std::io;

/// Bytes before the items of a node.
pub(super) const HEADER: usize = 101;
/// An item: its key, and where its data are.
const ITEM: usize = 25;

/// Object, type, offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub u64, pub u8, pub u64);

impl Key {
    /// As a node has it.
    pub(super) fn bytes(self) -> [u8; 17] {
        let mut bytes = [0; 17];
        bytes[..8].copy_from_slice(&self.0.to_le_bytes());
        bytes[8] = self.1;
        bytes[9..].copy_from_slice(&self.2.to_le_bytes());
        bytes
    }
}

/// A little-endian number of up to 8 bytes.
pub(super) fn number(bytes: &[u8], at: usize, length: usize) -> io::Result<u64> {
    let field = at.checked_add(length).and_then(|end| bytes.get(at..end));
    let field = field.ok_or_else(broken)?.iter().rev();
    Ok(field.fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
}

pub(super) fn key(bytes: &[u8], at: usize) -> io::Result<Key> {
    let kind = *bytes.get(at + 8).ok_or_else(broken)?;
    Ok(Key(number(bytes, at, 8)?, kind, number(bytes, at + 9, 8)?))
}

pub(super) fn broken() -> io::Error {
    io::Error::other("the file system is not as mkfs.btrfs makes it")
}

/// A leaf as it was read.
pub struct Leaf {
    header: Vec<u8>,
    /// Bytes of the whole leaf.
    size: usize,
    pub items: Vec<(Key, Vec<u8>)>,
}

impl Leaf {
    pub(super) fn read(bytes: &[u8]) -> io::Result<Self> {
        let count = number(bytes, 96, 4)? as usize;
        let mut items = Vec::new();
        for index in 0..count {
            let at = index
                .checked_mul(ITEM)
                .and_then(|at| at.checked_add(HEADER))
                .ok_or_else(broken)?;
            let key = key(bytes, at)?;
            let (place, length) = (
                number(bytes, at + 17, 4)? as usize,
                number(bytes, at + 21, 4)? as usize,
            );
            let data = bytes
                .get(HEADER + place..HEADER + place + length)
                .ok_or_else(broken)?;
            items.push((key, data.to_vec()));
        }
        Ok(Self {
            header: bytes[..HEADER].to_vec(),
            size: bytes.len(),
            items,
        })
    }

    pub(super) fn first(&self) -> Option<Key> {
        self.items.first().map(|(key, _)| *key)
    }

    /// The bytes of the leaf, its data packed from the end; none where there is no room for all.
    pub(super) fn bytes(&self) -> Option<Vec<u8>> {
        let data: usize = self.items.iter().map(|(_, data)| data.len()).sum();
        let index = HEADER + ITEM * self.items.len();
        if index + data > self.size {
            return None;
        }
        let mut bytes = vec![0; self.size];
        bytes[..HEADER].copy_from_slice(&self.header);
        bytes[96..100].copy_from_slice(&u32::try_from(self.items.len()).ok()?.to_le_bytes());
        let mut end = self.size;
        for (index, (key, data)) in self.items.iter().enumerate() {
            let start = end - data.len();
            bytes[start..end].copy_from_slice(data);
            end = start;
            let at = HEADER + index * ITEM;
            bytes[at..at + 17].copy_from_slice(&key.bytes());
            let place = u32::try_from(start - HEADER).ok()?;
            bytes[at + 17..at + 21].copy_from_slice(&place.to_le_bytes());
            bytes[at + 21..at + 25].copy_from_slice(&u32::try_from(data.len()).ok()?.to_le_bytes());
        }
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leaf_is_written_as_it_is_read() {
        let leaf = Leaf {
            header: vec![0; HEADER],
            size: 4096,
            items: vec![
                (Key(1, 2, 3), vec![4; 5]),
                (Key(6, 7, 8), vec![]),
                (Key(9, 9, u64::MAX), vec![1; 100]),
            ],
        };
        let bytes = leaf.bytes().unwrap();
        assert_eq!(Leaf::read(&bytes).unwrap().items, leaf.items);
        let full = Leaf {
            items: vec![(Key(1, 1, 1), vec![0; 4096])],
            ..leaf
        };
        assert!(full.bytes().is_none());
        assert!(Leaf::read(&[0xff; 200]).is_err() && Leaf::read(&[]).is_err());
    }
}
