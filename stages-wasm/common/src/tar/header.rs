//! Headers of members: 512 bytes, and what precedes them when a value does not fit.
use super::pax::Records;
use osbuild_stage::name::to_bytes;
use osbuild_stage::{Error, Result, bail};
use serde::Deserialize;

/// Bytes that everything in an archive is a multiple of.
pub const BLOCK: usize = 512;
const NAME: usize = 100;
const PREFIX: usize = 155;

/// Formats of archives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Names of any length in members of their own, large numbers in binary.
    #[default]
    Gnu,
    /// The same before 1.13.25.
    OldGnu,
    /// POSIX.1-2001: what does not fit stands in extended headers.
    Posix,
    /// POSIX.1-1988.
    Ustar,
    /// Unix version 7.
    V7,
}

/// What a header says.
#[derive(Debug, Clone, Default)]
pub struct Member {
    /// Name in the archive; that of a directory ends in `/`.
    pub name: String,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Bytes of content that follow.
    pub size: u64,
    /// Seconds since 1970.
    pub modified: i64,
    /// `0` file, `1` hard link, `2` symbolic link, `3`, `4` devices, `5` directory, `6` fifo, `S` sparse.
    pub kind: u8,
    /// Target of a link.
    pub link: String,
    /// Name of the owner; empty when it is not to be stored.
    pub user: String,
    /// Name of the group.
    pub group: String,
    /// Major and minor number of a device.
    pub node: (u32, u32),
}

impl Member {
    /// The blocks in front of the content. `records` go into an extended header, which only POSIX has.
    pub fn blocks(&self, format: Format, mut records: Records) -> Result<Vec<u8>> {
        let mut blocks = Vec::new();
        match format {
            Format::Gnu | Format::OldGnu => {
                let limit = if format == Format::Gnu {
                    NAME
                } else {
                    NAME - 1
                };
                for (kind, text) in [(b'K', &self.link), (b'L', &self.name)] {
                    let text = to_bytes(text);
                    if text.len() > limit {
                        blocks.extend(long_text(kind, &text)?);
                    }
                }
            }
            Format::Posix => {
                self.collect_unfitting(&mut records);
                blocks.extend(records.blocks(self)?);
            }
            Format::Ustar | Format::V7 => self.check_length(format)?,
        }
        blocks.extend(self.block(format)?);
        Ok(blocks)
    }

    fn collect_unfitting(&self, records: &mut Records) {
        for (key, text) in [("path", &self.name), ("linkpath", &self.link)] {
            let text = to_bytes(text);
            if text.len() > NAME || !text.is_ascii() {
                records.push(key, &text);
            }
        }
        for (key, value, digits) in [
            ("uid", u64::from(self.uid), 7),
            ("gid", u64::from(self.gid), 7),
            ("size", self.size, 11),
        ] {
            if value >> (3 * digits) != 0 {
                records.push(key, value.to_string().as_bytes());
            }
        }
        if !(0..1 << 33).contains(&self.modified) && !records.has("mtime") {
            records.push("mtime", self.modified.to_string().as_bytes());
        }
    }

    fn check_length(&self, format: Format) -> Result<()> {
        let name = to_bytes(&self.name);
        let name_fits = match format {
            Format::Ustar => split(&name).is_some(),
            _ => name.len() < NAME,
        };
        let link_limit = if format == Format::Ustar {
            NAME
        } else {
            NAME - 1
        };
        if !name_fits || to_bytes(&self.link).len() > link_limit {
            bail!(
                "{}: name or link is too long for this archive format",
                self.name
            );
        }
        Ok(())
    }

    /// The header proper.
    fn block(&self, format: Format) -> Result<[u8; BLOCK]> {
        let mut block = [0; BLOCK];
        let bytes = to_bytes(&self.name);
        let (prefix, name) = match format {
            Format::Ustar => split(&bytes).unwrap_or((b"", &bytes)),
            _ => (&b""[..], &*bytes),
        };
        put(&mut block, 0, NAME, name);
        let name = &self.name;
        number(&mut block, 100, 8, i128::from(self.mode), format, name)?;
        number(&mut block, 108, 8, i128::from(self.uid), format, name)?;
        number(&mut block, 116, 8, i128::from(self.gid), format, name)?;
        number(&mut block, 124, 12, i128::from(self.size), format, name)?;
        number(&mut block, 136, 12, i128::from(self.modified), format, name)?;
        block[156] = match (format, self.kind) {
            (Format::V7, b'0' | b'5') => 0,
            (_, kind) => kind,
        };
        put(&mut block, 157, NAME, &to_bytes(&self.link));
        if format != Format::V7 {
            let magic: &[u8; 8] = if matches!(format, Format::Gnu | Format::OldGnu) {
                b"ustar  \0"
            } else {
                b"ustar\x0000"
            };
            block[257..265].copy_from_slice(magic);
            put(&mut block, 265, 31, self.user.as_bytes());
            put(&mut block, 297, 31, self.group.as_bytes());
            number(&mut block, 329, 8, i128::from(self.node.0), format, name)?;
            number(&mut block, 337, 8, i128::from(self.node.1), format, name)?;
            put(&mut block, 345, PREFIX, prefix);
        }
        seal(&mut block);
        Ok(block)
    }
}

/// Writes the checksum of a header.
pub fn seal(block: &mut [u8]) {
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

/// A name in two parts at a `/`: 155 and 100 bytes at most.
fn split(name: &[u8]) -> Option<(&[u8], &[u8])> {
    if name.len() <= NAME {
        return Some((b"", name));
    }
    let slashes = (0..name.len()).filter(|at| name[*at] == b'/');
    slashes
        .map(|at| (&name[..at], &name[at + 1..]))
        .find(|(prefix, rest)| prefix.len() <= PREFIX && (1..=NAME).contains(&rest.len()))
}

fn put(block: &mut [u8; BLOCK], at: usize, length: usize, text: &[u8]) {
    let bytes = &text[..text.len().min(length)];
    block[at..at + bytes.len()].copy_from_slice(bytes);
}

/// Octal digits with a NUL; what does not fit is binary for GNU and, for POSIX, in the extended header already.
pub fn number(
    block: &mut [u8],
    at: usize,
    width: usize,
    value: i128,
    format: Format,
    name: &str,
) -> Result<()> {
    let digits = width - 1;
    let fits = value >= 0 && value >> (3 * digits) == 0;
    match format {
        _ if fits => {
            block[at..at + width].copy_from_slice(format!("{value:0digits$o}\0").as_bytes())
        }
        Format::Gnu | Format::OldGnu => {
            block[at..at + width].copy_from_slice(&value.to_be_bytes()[16 - width..]);
            block[at] = if value < 0 { 0xff } else { 0x80 };
        }
        Format::Posix => {
            block[at..at + width].copy_from_slice(format!("{:0digits$o}\0", 0).as_bytes())
        }
        Format::Ustar | Format::V7 => {
            return Err(Error::new(format!(
                "{name}: {value} is too large for this archive format"
            )));
        }
    }
    Ok(())
}

/// GNU's member that carries a long name (`L`) or link (`K`) of the next one.
fn long_text(kind: u8, text: &[u8]) -> Result<Vec<u8>> {
    let carrier = Member {
        name: "././@LongLink".into(),
        mode: 0o644,
        size: text.len() as u64 + 1,
        kind,
        ..Member::default()
    };
    let mut blocks = carrier.block(Format::Gnu)?.to_vec();
    blocks.extend(text);
    blocks.push(0);
    pad(&mut blocks);
    Ok(blocks)
}

/// Fills up to a whole block.
pub fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str) -> Member {
        Member {
            name: name.into(),
            mode: 0o644,
            size: 3,
            kind: b'0',
            user: "root".into(),
            ..Member::default()
        }
    }

    #[test]
    fn a_header_is_one_block_with_a_valid_checksum() {
        for format in [
            Format::Gnu,
            Format::OldGnu,
            Format::Posix,
            Format::Ustar,
            Format::V7,
        ] {
            let block = member("./a").blocks(format, Records::default()).unwrap();
            assert_eq!(block.len(), BLOCK, "{format:?}");
            let mut again = block.clone();
            seal(&mut again);
            assert_eq!(again, block);
            assert_eq!(
                (&block[..4], &block[100..108], &block[124..136]),
                (&b"./a\0"[..], &b"0000644\0"[..], &b"00000000003\0"[..])
            );
        }
    }

    #[test]
    fn long_names_are_stored_as_the_format_allows() {
        let long = format!("{}/{}", "d".repeat(90), "n".repeat(90));
        assert_eq!(
            member(&long)
                .blocks(Format::Gnu, Records::default())
                .unwrap()
                .len(),
            3 * BLOCK
        );
        assert_eq!(
            member(&long)
                .blocks(Format::Posix, Records::default())
                .unwrap()
                .len(),
            3 * BLOCK
        );
        let ustar = member(&long)
            .blocks(Format::Ustar, Records::default())
            .unwrap();
        assert_eq!(
            (&ustar[..90], &ustar[345..435]),
            ("n".repeat(90).as_bytes(), "d".repeat(90).as_bytes())
        );
        assert!(
            member(&long)
                .blocks(Format::V7, Records::default())
                .is_err()
        );
        assert!(
            member(&"x".repeat(200))
                .blocks(Format::Ustar, Records::default())
                .is_err()
        );
    }

    #[test]
    fn large_numbers_are_binary_for_gnu_and_an_error_for_ustar() {
        let large = Member {
            uid: 3_000_000,
            ..member("a")
        };
        let gnu = large.blocks(Format::Gnu, Records::default()).unwrap();
        assert_eq!(&gnu[108..116], &[0x80, 0, 0, 0, 0, 0x2d, 0xc6, 0xc0]);
        assert!(large.blocks(Format::Ustar, Records::default()).is_err());
        assert_eq!(
            large
                .blocks(Format::Posix, Records::default())
                .unwrap()
                .len(),
            3 * BLOCK
        );
    }
}
