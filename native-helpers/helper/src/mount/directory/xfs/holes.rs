//! Files that were folded when mkfs.xfs read them get their holes: the extents in their inodes say where the data belong.

use std::io;

use super::super::fold::Fold;
use super::disk::Disk;
use super::inode::{CORE, Extent, Fork, Inode, broken};

/// Bytes of a packed extent.
const EXTENT: usize = 16;
/// The size of a file in its inode.
const SIZE: usize = 56;

impl Disk {
    /// Puts the data of a file where they were before it was folded. False: there is no room for its extents in the inode.
    pub fn unfold(&self, inode: &Inode, fold: &Fold) -> io::Result<bool> {
        let mut extents = Vec::new();
        for extent in self.extents(inode, Fork::Data)? {
            self.place(extent, fold, &mut extents)?;
        }
        let packed: Vec<u8> = extents.iter().flat_map(packed).collect();
        let has_room = packed.len() <= inode.fork(Fork::Data).len();
        if !has_room || (inode.format(Fork::Data) != 2 && !extents.is_empty()) {
            return Ok(false);
        }
        let count = u64::try_from(extents.len()).map_err(|_| broken())?;
        let size = inode.field(SIZE, 8);
        self.write(&[(size, &fold.size.to_be_bytes())])?;
        if extents.is_empty() {
            return Ok(true);
        }
        let (field, count) = inode.count(count)?;
        let list = inode.field(CORE, extents.len() * EXTENT);
        self.write(&[(field, &count), (list, &packed)])?;
        Ok(true)
    }

    /// An extent of a folded file as those that the file has.
    fn place(&self, extent: Extent, fold: &Fold, all: &mut Vec<Extent>) -> io::Result<()> {
        let (mut at, mut block, mut count) = extent;
        while count > 0 {
            let byte = at.checked_mul(self.block).ok_or_else(broken)?;
            let (place, run) = fold.place(byte).ok_or_else(broken)?;
            let here = count.min(run.div_ceil(self.block));
            all.push((place / self.block, block, here));
            (at, block, count) = (at + here, block + here, count - here);
        }
        Ok(())
    }
}

fn packed(extent: &Extent) -> [u8; EXTENT] {
    let (place, block, count) = *extent;
    let high = u128::from(place << 9 | block >> 43);
    let low = u128::from(block << 21 | count);
    (high << 64 | low).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mount::directory::xfs::inode::push_extents;

    #[test]
    fn extents_are_packed_as_they_are_read() {
        for extent in [(5, 7, 3), (1 << 40, (1 << 50) + 9, (1 << 21) - 1)] {
            let mut all = Vec::new();
            push_extents(&packed(&extent), 0, 1, &mut all).unwrap();
            assert_eq!(all, [extent]);
        }
    }
}
