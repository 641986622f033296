//! Label, header and metadata areas of a physical volume.
use osbuild_stage::{Error, File, Result, bail};

const SECTOR: u64 = 512;
/// The label is in one of the first sectors.
const LABEL_SECTORS: u64 = 4;
const LABEL: &[u8; 8] = b"LABELONE";
/// Identity and size in front of the two lists of areas.
const PV_HEADER: usize = 40;
/// Bytes of an area's header, and those that its checksum covers.
const AREA_HEADER: usize = 512;
/// Where the header says where the area starts and how long it is.
const AREA_START: usize = 24;
const AREA_SIZE: usize = 32;
/// Where the first committed text is described: offset, size, checksum, flags.
const RAW_LOCATION: usize = 40;

/// Where a metadata area is, and its header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetadataArea {
    /// First byte on the device.
    offset: u64,
    header: Vec<u8>,
}

/// The metadata areas of a physical volume; there is at least one.
pub fn areas(device: &File) -> Result<Vec<MetadataArea>> {
    let size = device.stat()?.size;
    let mut start = vec![0; usize::try_from(size.min(64 << 10)).unwrap_or(0)];
    device.read_exact_at(0, &mut start)?;
    let offsets = area_offsets(&start)?;
    if offsets.is_empty() {
        bail!("the physical volume has no metadata area");
    }
    offsets
        .into_iter()
        .map(|offset| {
            let mut header = vec![0; AREA_HEADER];
            device.read_exact_at(offset, &mut header)?;
            Ok(MetadataArea { offset, header })
        })
        .collect()
}

/// Offsets of the metadata areas by the label and the header at the start of a volume.
fn area_offsets(start: &[u8]) -> Result<Vec<u64>> {
    let sector = (0..LABEL_SECTORS).map(|sector| sector * SECTOR).find(|at| {
        start
            .get(*at as usize..)
            .is_some_and(|rest| rest.starts_with(LABEL))
    });
    let label = sector.ok_or_else(|| Error::new("the device has no LVM label"))? as usize;
    let mut at = label + u32_at(start, label + 20)? as usize + PV_HEADER;
    // Data areas, then metadata areas; an empty entry ends each list.
    while u64_at(start, at)? != 0 {
        at += 16;
    }
    at += 16;
    let mut offsets = Vec::new();
    while u64_at(start, at)? != 0 {
        offsets.push(u64_at(start, at)?);
        at += 16;
    }
    Ok(offsets)
}

fn bytes_at<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N]> {
    bytes
        .get(at..at + N)
        .and_then(|part| part.try_into().ok())
        .ok_or_else(|| Error::new("the header of the physical volume is damaged"))
}

fn u32_at(bytes: &[u8], at: usize) -> Result<u32> {
    bytes_at(bytes, at).map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Result<u64> {
    bytes_at(bytes, at).map(u64::from_le_bytes)
}

impl MetadataArea {
    fn text_offset(&self) -> Result<u64> {
        u64_at(&self.header, AREA_START)?
            .checked_add(u64_at(&self.header, RAW_LOCATION)?)
            .ok_or_else(|| Error::new("the header of the metadata area is damaged"))
    }

    /// Bytes from the text to the end of the area.
    fn room(&self) -> Result<u64> {
        let size = u64_at(&self.header, AREA_SIZE)?;
        Ok(size.saturating_sub(u64_at(&self.header, RAW_LOCATION)?))
    }

    /// The header for a text of these bytes.
    fn header_for(&self, text: &[u8]) -> Vec<u8> {
        let mut header = self.header.clone();
        let at = RAW_LOCATION;
        header[at + 8..at + 16].copy_from_slice(&(text.len() as u64).to_le_bytes());
        header[at + 16..at + 20].copy_from_slice(&checksum(text).to_le_bytes());
        let sum = checksum(&header[4..]);
        header[..4].copy_from_slice(&sum.to_le_bytes());
        header
    }
}

/// The committed text of an area, without the byte at its end.
pub fn read_text(device: &File, area: &MetadataArea) -> Result<String> {
    let size = u64_at(&area.header, RAW_LOCATION + 8)?.min(area.room()?);
    let mut bytes = vec![0; usize::try_from(size.min(16 << 20)).unwrap_or(0)];
    device.read_exact_at(area.text_offset()?, &mut bytes)?;
    while bytes.last() == Some(&0) {
        bytes.pop();
    }
    String::from_utf8(bytes).map_err(|_| Error::new("the LVM metadata is not UTF-8"))
}

/// Puts `text` in place of the committed text of an area, and what the header says of it.
pub fn write_text(device: &File, area: &MetadataArea, text: &str) -> Result<()> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.push(0);
    if bytes.len() as u64 > area.room()? {
        bail!("the new metadata does not fit into its area");
    }
    device.write_at(area.text_offset()?, &bytes)?;
    device.write_at(area.offset, &area.header_for(&bytes))
}

/// CRC-32 with LVM's initial value and without the inversion at the end.
fn checksum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0xf597_a6cf, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            (sum >> 1) ^ if sum & 1 == 1 { 0xedb8_8320 } else { 0 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volume() -> Vec<u8> {
        let mut start = vec![0; 4096];
        start[512..520].copy_from_slice(LABEL);
        start[532..536].copy_from_slice(&32_u32.to_le_bytes());
        // One data area, its end, one metadata area.
        let lists = 512 + 32 + PV_HEADER;
        start[lists..lists + 8].copy_from_slice(&1_048_576_u64.to_le_bytes());
        start[lists + 32..lists + 40].copy_from_slice(&4096_u64.to_le_bytes());
        start
    }

    #[test]
    fn areas_are_found_by_the_label() {
        assert_eq!(area_offsets(&volume()).unwrap(), [4096]);
        assert!(area_offsets(&[0; 4096]).is_err());
        assert!(area_offsets(&volume()[..600]).is_err());
    }

    #[test]
    fn a_header_carries_the_checksums() {
        let area = MetadataArea {
            offset: 4096,
            header: vec![7; AREA_HEADER],
        };
        let header = area.header_for(b"text\0");
        assert_eq!(header[48..56], 5_u64.to_le_bytes());
        assert_eq!(header[56..60], checksum(b"text\0").to_le_bytes());
        assert_eq!(header[..4], checksum(&header[4..]).to_le_bytes());
        // zlib's CRC-32 has another start and an inversion at the end.
        assert_eq!(checksum(b""), 0xf597_a6cf);
    }
}
