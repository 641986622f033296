//! Headers of members.
use osbuild_stage::name::to_bytes;
use osbuild_stage::{Result, bail};
use serde::Deserialize;

/// Name of the member that ends an archive.
pub const TRAILER: &str = "TRAILER!!!";

/// Formats of archives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// The old binary one, little endian.
    Bin,
    /// POSIX.1: octal digits.
    Odc,
    /// SVR4: hexadecimal digits. The kernel reads it.
    #[default]
    Newc,
    /// The same with a sum over the content.
    Crc,
    /// Unix version 7 tar.
    Tar,
    /// POSIX.1 tar.
    Ustar,
}

/// What a header says.
#[derive(Debug, Clone, Default)]
pub struct Member {
    /// Name in the archive.
    pub name: String,
    /// Type and permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Names of the inode.
    pub links: u64,
    /// Seconds since 1970.
    pub modified: i64,
    /// Bytes of content.
    pub size: u64,
    /// Device that it is on: major and minor number.
    pub device: (u32, u32),
    /// Number of the inode.
    pub inode: u64,
    /// Of a device node: major and minor number.
    pub node: (u32, u32),
    /// Sum of all bytes, for [`Format::Crc`].
    pub sum: u32,
}

impl Member {
    /// The member at the end.
    pub fn trailer() -> Self {
        Self {
            name: TRAILER.into(),
            links: 1,
            ..Self::default()
        }
    }

    /// Header and name, filled up to the unit of the format.
    pub fn bytes(&self, format: Format) -> Result<Vec<u8>> {
        let mut bytes = match format {
            Format::Bin => self.binary()?,
            Format::Odc => self.octal()?,
            Format::Newc => self.hexadecimal("070701")?,
            Format::Crc => self.hexadecimal("070702")?,
            Format::Tar | Format::Ustar => bail!("tar has headers of its own"),
        };
        bytes.extend(&*to_bytes(&self.name));
        bytes.push(0);
        bytes.resize(bytes.len().next_multiple_of(format.unit()), 0);
        Ok(bytes)
    }

    fn fit(&self, value: u64, bits: u32) -> Result<u64> {
        if value >> bits != 0 {
            bail!(
                "{}: {value} is too large for this archive format",
                self.name
            );
        }
        Ok(value)
    }

    fn time(&self) -> u64 {
        u64::try_from(self.modified).unwrap_or(0)
    }

    fn hexadecimal(&self, magic: &str) -> Result<Vec<u8>> {
        let mut text = magic.to_owned();
        for value in [
            self.inode & 0xffff_ffff,
            u64::from(self.mode),
            u64::from(self.uid),
            u64::from(self.gid),
            self.links,
            self.time(),
            self.size,
            u64::from(self.device.0),
            u64::from(self.device.1),
            u64::from(self.node.0),
            u64::from(self.node.1),
            to_bytes(&self.name).len() as u64 + 1,
            u64::from(self.sum),
        ] {
            text += &format!("{:08X}", self.fit(value, 32)?);
        }
        Ok(text.into_bytes())
    }

    fn octal(&self) -> Result<Vec<u8>> {
        let short = |value| Ok::<_, osbuild_stage::Error>(format!("{:06o}", self.fit(value, 18)?));
        let long = |value| Ok::<_, osbuild_stage::Error>(format!("{:011o}", self.fit(value, 33)?));
        let parts = [
            "070707".to_owned(),
            short(number(self.device))?,
            short(self.inode & 0o777_777)?,
            short(u64::from(self.mode))?,
            short(u64::from(self.uid))?,
            short(u64::from(self.gid))?,
            short(self.links)?,
            short(number(self.node))?,
            long(self.time())?,
            short(to_bytes(&self.name).len() as u64 + 1)?,
            long(self.size)?,
        ];
        Ok(parts.concat().into_bytes())
    }

    fn binary(&self) -> Result<Vec<u8>> {
        let (time, size) = (self.fit(self.time(), 32)?, self.fit(self.size, 31)?);
        let words = [
            0o70707,
            number(self.device),
            self.inode & 0xffff,
            u64::from(self.mode),
            u64::from(self.uid),
            u64::from(self.gid),
            self.links,
            number(self.node),
            time >> 16,
            time & 0xffff,
            to_bytes(&self.name).len() as u64 + 1,
            size >> 16,
            size & 0xffff,
        ];
        let mut bytes = Vec::new();
        for word in words {
            let word = u16::try_from(self.fit(word, 16)?).unwrap_or(u16::MAX);
            bytes.extend(word.to_le_bytes());
        }
        Ok(bytes)
    }
}

/// A device number as the old formats have it.
fn number((major, minor): (u32, u32)) -> u64 {
    (u64::from(major) << 8) | u64::from(minor)
}

/// What reading a header for its length yields.
#[derive(Debug, PartialEq, Eq)]
pub struct Found {
    /// Name of the member.
    pub name: String,
    /// Number of its inode.
    pub inode: u64,
    /// Bytes of header, name and content, filled up.
    pub length: u64,
}

impl Format {
    /// Everything is a multiple of this many bytes.
    pub fn unit(self) -> usize {
        match self {
            Self::Bin => 2,
            Self::Odc => 1,
            Self::Newc | Self::Crc => 4,
            Self::Tar | Self::Ustar => 512,
        }
    }

    /// Bytes of a header without the name.
    pub fn header_length(self) -> usize {
        match self {
            Self::Bin => 26,
            Self::Odc => 76,
            Self::Newc | Self::Crc => 110,
            Self::Tar | Self::Ustar => 512,
        }
    }

    /// Reads the header at the start of `bytes`, which hold the name too; none when it is no header of this format.
    pub fn read(self, bytes: &[u8]) -> Option<Found> {
        let field = |at: usize, length: usize, radix| {
            let text = std::str::from_utf8(bytes.get(at..at + length)?).ok()?;
            u64::from_str_radix(text, radix).ok()
        };
        let word = |at: usize| {
            let pair = bytes.get(2 * at..2 * at + 2)?;
            Some(u64::from(u16::from_le_bytes([pair[0], pair[1]])))
        };
        let (inode, name, size) = match self {
            Self::Bin if word(0)? == 0o70707 => {
                (word(2)?, word(10)?, (word(11)? << 16) | word(12)?)
            }
            Self::Odc if bytes.starts_with(b"070707") => {
                (field(12, 6, 8)?, field(59, 6, 8)?, field(65, 11, 8)?)
            }
            Self::Newc if bytes.starts_with(b"070701") => {
                (field(6, 8, 16)?, field(94, 8, 16)?, field(54, 8, 16)?)
            }
            Self::Crc if bytes.starts_with(b"070702") => {
                (field(6, 8, 16)?, field(94, 8, 16)?, field(54, 8, 16)?)
            }
            _ => return None,
        };
        let start = self.header_length();
        let end = start.checked_add(usize::try_from(name).ok()?)?;
        let text = bytes.get(start..end)?.strip_suffix(&[0])?;
        let unit = self.unit() as u64;
        Some(Found {
            name: String::from_utf8_lossy(text).into_owned(),
            inode,
            length: (end as u64).next_multiple_of(unit) + size.checked_next_multiple_of(unit)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member() -> Member {
        Member {
            name: "dir/file".into(),
            mode: 0o100_644,
            uid: 5,
            links: 1,
            modified: 1_600_000_000,
            size: 7,
            inode: 3,
            ..Member::default()
        }
    }

    #[test]
    fn headers_read_back() {
        for (format, length) in [
            (Format::Bin, 26 + 10 + 8),
            (Format::Odc, 76 + 9 + 7),
            (Format::Newc, 120 + 8),
            (Format::Crc, 120 + 8),
        ] {
            let bytes = member().bytes(format).unwrap();
            let found = format.read(&bytes).unwrap();
            assert_eq!(
                found,
                Found {
                    name: "dir/file".into(),
                    inode: 3,
                    length
                },
                "{format:?}"
            );
        }
        assert_eq!(
            Format::Newc.read(&member().bytes(Format::Odc).unwrap()),
            None
        );
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let large = Member {
            size: 1 << 32,
            ..member()
        };
        assert!(large.bytes(Format::Newc).is_err() && large.bytes(Format::Bin).is_err());
        assert!(large.bytes(Format::Odc).is_ok());
        let many = Member {
            uid: 1 << 18,
            ..member()
        };
        assert!(many.bytes(Format::Odc).is_err() && many.bytes(Format::Newc).is_ok());
    }
}
