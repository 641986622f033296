//! The index of a directory that is one block: behind its entries it has the hash of each name, in their order.
//!
//! xfs_repair takes a block for damaged in which names and hashes do not fit, and clears the directory. Larger directories have their
//! index in other blocks, which it makes anew.

use std::io;

use super::disk::{DIRECTORY_SUM, Disk, Summed};
use super::inode::{broken, number};

/// How such a block begins, and the bytes of its tail: how many hashes there are, and how many of them are free.
const MAGIC: &[u8; 4] = b"XDB3";
const TAIL: usize = 8;
/// Bytes of a hash with the place of its entry, which is counted in units.
const HASH: usize = 8;
const UNIT: usize = 8;
/// The place of a name in an entry: behind the number of the inode and the length.
const NAME: usize = 9;

impl Disk {
    /// Makes the index of a block fit its names again; does nothing for blocks that have none.
    pub fn index(&self, of: Summed) -> io::Result<()> {
        if of.sum != DIRECTORY_SUM {
            return Ok(());
        }
        let mut bytes = self.read(of)?;
        if !bytes.starts_with(MAGIC) {
            return Ok(());
        }
        let end = bytes.len().checked_sub(TAIL).ok_or_else(broken)?;
        let count = number(&bytes, end, 4)? as usize;
        let size = count.checked_mul(HASH).ok_or_else(broken)?;
        let start = end.checked_sub(size).ok_or_else(broken)?;
        let mut hashes = Vec::with_capacity(count);
        for at in (start..end).step_by(HASH) {
            let place = number(&bytes, at + 4, 4)?;
            let old = number(&bytes, at, 4)?;
            let hash = match place {
                // Free: it keeps its place in the order.
                0 => old,
                place => u64::from(hash(name(&bytes, place)?)),
            };
            hashes.push((hash << 32) | place);
        }
        hashes.sort_unstable();
        for (at, hash) in (start..end).step_by(HASH).zip(hashes) {
            bytes[at..at + HASH].copy_from_slice(&hash.to_be_bytes());
        }
        self.write_block(of, bytes)
    }
}

fn name(bytes: &[u8], place: u64) -> io::Result<&[u8]> {
    let place = usize::try_from(place).map_err(|_| broken())?;
    let at = place.checked_mul(UNIT).ok_or_else(broken)?;
    let length = number(bytes, at + NAME - 1, 1)? as usize;
    let name = bytes.get(at + NAME..at + NAME + length);
    name.ok_or_else(broken)
}

/// The hash of a name, seven bits a byte.
fn hash(name: &[u8]) -> u32 {
    name.iter()
        .fold(0_u32, |hash, byte| hash.rotate_left(7) ^ u32::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::hash;

    #[test]
    fn a_hash_has_all_bytes_of_a_name() {
        // As `hash` of xfs_db(8) says.
        for (name, expected) in [
            ("", 0),
            ("a", 0x61),
            (".", 0x2e),
            ("..", 0x172e),
            ("hello", 0x8cbb_3669),
        ] {
            assert_eq!(
                hash(name.as_bytes()),
                expected,
                "{name}: {:x}",
                hash(name.as_bytes())
            );
        }
    }
}
