//! An inode of XFS: its core, and the forks behind it.

use std::io;

use super::disk::{Field, Summed};

/// Bytes of an inode before its forks.
pub(super) const CORE: usize = 176;
/// More extents than any file of a build has.
pub(super) const EXTENTS: usize = 1 << 20;

/// Blocks of a file: its first block there, the first one in the image (of a group, in the kernel's numbers), how many.
pub(super) type Extent = (u64, u64, u64);

pub(super) fn number(bytes: &[u8], at: usize, length: usize) -> io::Result<u64> {
    let field = at.checked_add(length).and_then(|end| bytes.get(at..end));
    let field = field.ok_or_else(broken)?;
    Ok(field
        .iter()
        .fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
}

pub(super) fn broken() -> io::Error {
    io::Error::other("the file system is not as mkfs.xfs makes it")
}

/// An inode as it was read.
pub struct Inode {
    pub(super) of: Summed,
    pub(super) bytes: Vec<u8>,
}

/// A part of an inode.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fork {
    Data,
    Attributes,
}

impl Inode {
    pub(super) fn format(&self, fork: Fork) -> u8 {
        self.bytes[if fork == Fork::Data { 5 } else { 83 }]
    }

    pub(super) fn fork(&self, fork: Fork) -> &[u8] {
        let all = &self.bytes[CORE..];
        let middle = match usize::from(self.bytes[82]) * 8 {
            0 => all.len(),
            middle => middle.min(all.len()),
        };
        match fork {
            Fork::Data => &all[..middle],
            Fork::Attributes => &all[middle..],
        }
    }

    /// How many extents a fork has; their counts are elsewhere where they may be large.
    pub(super) fn extents(&self, fork: Fork) -> io::Result<u64> {
        let is_large = number(&self.bytes, 120, 8)? & 0x10 != 0;
        match (fork, is_large) {
            (Fork::Data, false) => number(&self.bytes, 76, 4),
            (Fork::Data, true) => number(&self.bytes, 24, 8),
            (Fork::Attributes, false) => number(&self.bytes, 80, 2),
            (Fork::Attributes, true) => number(&self.bytes, 76, 4),
        }
    }

    /// Where the number of extents of its data is, and such a number.
    pub(super) fn count(&self, extents: u64) -> io::Result<(Field, Vec<u8>)> {
        let is_large = number(&self.bytes, 120, 8)? & 0x10 != 0;
        let (at, length) = if is_large { (24, 8) } else { (76, 4) };
        let bytes = extents.to_be_bytes();
        Ok((self.field(at, length), bytes[8 - length..].to_vec()))
    }

    /// Type and permission bits.
    pub(super) fn mode(&self) -> Field {
        self.field(2, 2)
    }

    /// The time of modification.
    pub(super) fn modified(&self) -> Field {
        self.field(40, 8)
    }

    /// Whether times are nanoseconds since 1901.
    pub(super) fn has_long_times(&self) -> io::Result<bool> {
        Ok(number(&self.bytes, 120, 8)? & 8 != 0)
    }

    pub(super) fn field(&self, at: usize, length: usize) -> Field {
        Field {
            of: self.of,
            at,
            length,
        }
    }
}

pub(super) fn push_extents(
    bytes: &[u8],
    at: usize,
    count: u64,
    all: &mut Vec<Extent>,
) -> io::Result<()> {
    for index in 0..usize::try_from(count).map_err(|_| broken())? {
        let (high, low) = (
            number(bytes, at + index * 16, 8)?,
            number(bytes, at + index * 16 + 8, 8)?,
        );
        if all.len() > EXTENTS {
            return Err(broken());
        }
        let place = high << 1 >> 10;
        let block = (high & 0x1ff) << 43 | low >> 21;
        all.push((place, block, low & 0x1f_ffff));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extents_are_packed() {
        // Block 5 of a file is block 7 of the image, three of them.
        let (high, low) = (5_u64 << 9, 7_u64 << 21 | 3);
        let bytes = [high.to_be_bytes(), low.to_be_bytes()].concat();
        let mut all = Vec::new();
        push_extents(&bytes, 0, 1, &mut all).unwrap();
        assert_eq!(all, [(5, 7, 3)]);
        assert!(push_extents(&bytes, 0, 2, &mut all).is_err());
    }
}
