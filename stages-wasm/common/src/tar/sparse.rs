//! Files with holes.
use super::header::{BLOCK, number};
use super::{Format, pax::Records};
use osbuild_stage::name::to_bytes;
use osbuild_stage::{File, Result};

/// Runs of data: offset and length. After a hole at the end follows an empty run at the end of the file.
pub type Map = Vec<(u64, u64)>;

/// Finds the data of a file: everything but whole blocks of zeros. None when there is no hole.
pub fn find_holes(file: &File, size: u64) -> Result<Option<Map>> {
    let mut map = Map::new();
    let mut at = 0;
    while at < size {
        let bytes = file.read_at(at, 1 << 20)?;
        if bytes.is_empty() {
            break;
        }
        extend(&mut map, at, &bytes);
        at += bytes.len() as u64;
    }
    if map == [(0, size)] || size == 0 {
        return Ok(None);
    }
    if map
        .last()
        .is_none_or(|(offset, length)| offset + length < size)
    {
        map.push((size, 0));
    }
    Ok(Some(map))
}

fn extend(map: &mut Map, at: u64, bytes: &[u8]) {
    let mut offset = at;
    for block in bytes.chunks(BLOCK) {
        let length = block.len() as u64;
        if block.iter().any(|byte| *byte != 0) {
            match map.last_mut() {
                Some((start, run)) if *start + *run == offset => *run += length,
                _ => map.push((offset, length)),
            }
        }
        offset += length;
    }
}

/// Bytes of data.
pub fn data_size(map: &Map) -> u64 {
    map.iter().map(|(_, length)| length).sum()
}

/// GNU's map: four runs in the header at byte 386, the others in blocks of 21 behind it.
pub fn gnu_map(header: &mut Vec<u8>, map: &Map, size: u64, name: &str) -> Result<()> {
    let start = header.len() - BLOCK;
    let (first, rest) = map.split_at(map.len().min(4));
    runs(&mut header[start..], 386, first, name)?;
    header[start + 482] = u8::from(!rest.is_empty());
    number(
        &mut header[start..],
        483,
        12,
        i128::from(size),
        Format::Gnu,
        name,
    )?;
    super::header::seal(&mut header[start..]);
    let mut chunks = rest.chunks(21).peekable();
    while let Some(chunk) = chunks.next() {
        let mut block = [0; BLOCK];
        runs(&mut block, 0, chunk, name)?;
        block[504] = u8::from(chunks.peek().is_some());
        header.extend(block);
    }
    Ok(())
}

fn runs(block: &mut [u8], at: usize, runs: &[(u64, u64)], name: &str) -> Result<()> {
    for (index, (offset, length)) in runs.iter().enumerate() {
        let at = at + 24 * index;
        number(block, at, 12, i128::from(*offset), Format::Gnu, name)?;
        number(block, at + 12, 12, i128::from(*length), Format::Gnu, name)?;
    }
    Ok(())
}

/// POSIX (GNU.sparse 1.0): records in the extended header, and the map as text in front of the data.
pub fn posix_map(records: &mut Records, map: &Map, size: u64, name: &str) -> Vec<u8> {
    for (key, value) in [
        ("major", "1".as_bytes()),
        ("minor", b"0"),
        ("name", &*to_bytes(name)),
        ("realsize", size.to_string().as_bytes()),
    ] {
        records.push(format!("GNU.sparse.{key}"), value);
    }
    let mut text = format!("{}\n", map.len());
    map.iter()
        .for_each(|(offset, length)| text += &format!("{offset}\n{length}\n"));
    let mut bytes = text.into_bytes();
    super::header::pad(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_zeros_are_holes() {
        let mut bytes = vec![0; 4 * BLOCK];
        bytes[BLOCK] = 1;
        bytes[3 * BLOCK - 1] = 1;
        let mut map = Map::new();
        extend(&mut map, 0, &bytes);
        assert_eq!(map, [(512, 1024)]);
        extend(&mut map, 4 * 512, &[1; 10]);
        assert_eq!((map.len(), data_size(&map)), (2, 1034));
    }
}
