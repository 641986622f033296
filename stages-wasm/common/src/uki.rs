//! Where sections can be added to an EFI program (PE32+).
use osbuild_stage::{Error, Result, bail};

/// Addresses of sections that are added behind those of a stub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    next: u64,
    alignment: u64,
}

fn field<const N: usize>(image: &[u8], at: usize) -> Result<[u8; N]> {
    let bytes = image.get(at..).and_then(|rest| rest.first_chunk());
    bytes
        .copied()
        .ok_or_else(|| Error::new("the EFI stub is cut off"))
}

fn u16_at(image: &[u8], at: usize) -> Result<usize> {
    field(image, at).map(|bytes| u16::from_le_bytes(bytes).into())
}

fn u32_at(image: &[u8], at: usize) -> Result<u32> {
    field(image, at).map(u32::from_le_bytes)
}

impl Layout {
    /// The layout behind the last section of a stub.
    pub fn behind(stub: &[u8]) -> Result<Self> {
        let pe = u32_at(stub, 0x3c)? as usize;
        if !stub.starts_with(b"MZ") || field(stub, pe)? != *b"PE\0\0" {
            bail!("the EFI stub is no PE file");
        }
        let (sections, optional_size) = (u16_at(stub, pe + 6)?, u16_at(stub, pe + 20)?);
        let optional = pe + 24;
        if u16_at(stub, optional)? != 0x20b {
            bail!("the EFI stub is not PE32+");
        }
        let alignment = u32_at(stub, optional + 32)?.max(u32_at(stub, optional + 36)?);
        if sections == 0 || alignment == 0 {
            bail!("the EFI stub has no sections");
        }
        let last = optional + optional_size + 40 * (sections - 1);
        let end = u64::from(u32_at(stub, last + 8)?) + u64::from(u32_at(stub, last + 12)?);
        let alignment = u64::from(alignment);
        Ok(Self {
            next: end.next_multiple_of(alignment),
            alignment,
        })
    }

    /// The address of a section of `size` bytes.
    pub fn place(&mut self, size: u64) -> u64 {
        let address = self.next;
        self.next = (address + size).next_multiple_of(self.alignment);
        address
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stub() -> Vec<u8> {
        let mut image = vec![0; 0x200];
        image[..2].copy_from_slice(b"MZ");
        image[0x3c] = 0x40;
        image[0x40..0x44].copy_from_slice(b"PE\0\0");
        image[0x46] = 2;
        image[0x54] = 0x70;
        image[0x58..0x5a].copy_from_slice(&0x20b_u16.to_le_bytes());
        image[0x78..0x7c].copy_from_slice(&0x1000_u32.to_le_bytes());
        image[0x7c..0x80].copy_from_slice(&0x200_u32.to_le_bytes());
        let last = 0x58 + 0x70 + 40;
        image[last + 8..last + 12].copy_from_slice(&0x123_u32.to_le_bytes());
        image[last + 12..last + 16].copy_from_slice(&0x5000_u32.to_le_bytes());
        image
    }

    #[test]
    fn sections_follow_the_last_one_aligned() {
        let mut layout = Layout::behind(&stub()).unwrap();
        assert_eq!(
            [layout.place(1), layout.place(0x1000), layout.place(5)],
            [0x6000, 0x7000, 0x8000]
        );
    }

    #[test]
    fn other_files_are_refused() {
        let mut old = stub();
        old[0x58] = 0x0b;
        old[0x59] = 0x01;
        for image in [vec![], b"MZ".to_vec(), old, stub()[..0x60].to_vec()] {
            assert!(Layout::behind(&image).is_err());
        }
    }
}
