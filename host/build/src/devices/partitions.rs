//! Where the partitions of an image are, for mounts that name them by number where no kernel reads the table: tables of kind dos, with
//! logical partitions, and of GPT (UEFI specification, chapter 5).
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// First byte and number of bytes.
pub(super) type Extent = (u64, u64);

/// Bytes of an entry of a dos table; there are four, behind the code of the boot sector.
pub(super) const DOS_ENTRY: usize = 16;
pub(super) const DOS_ENTRIES: usize = 446;
pub(super) const DOS_SIGNATURE: [u8; 2] = [0x55, 0xaa];
/// Types of partitions that hold a chain of logical ones.
pub(super) const EXTENDED: [u8; 3] = [0x05, 0x0f, 0x85];
/// The type that says: this is GPT.
pub(super) const PROTECTIVE: u8 = 0xee;
/// A chain is no longer than this, or it is a circle.
pub(super) const CHAIN: u32 = 256;

pub(super) const GPT_SIGNATURE: &[u8; 8] = b"EFI PART";
/// Bytes of a GPT entry, at least.
const GPT_ENTRY: u64 = 128;

/// An entry of a dos table.
#[derive(Clone, Copy)]
struct Entry {
    kind: u8,
    /// In sectors.
    start: u64,
    size: u64,
}

/// Where partition `number` is; none when the table has no such partition or the image no table.
pub(super) fn find(image: &File, sector: u64, number: u32) -> io::Result<Option<Extent>> {
    let Some(table) = dos(image, 0)? else {
        return Ok(None);
    };
    let extent = match table.iter().any(|entry| entry.kind == PROTECTIVE) {
        true => of_gpt(image, sector, number)?,
        false => of_dos(image, sector, &table, number)?,
    };
    let bytes = |(start, size): Extent| {
        let size = size.checked_mul(sector).filter(|size| *size > 0)?;
        Some((start.checked_mul(sector)?, size))
    };
    Ok(extent.and_then(bytes))
}

/// The entries of the table in the sector at a byte, if there is one.
fn dos(image: &File, at: u64) -> io::Result<Option<[Entry; 4]>> {
    let mut sector = [0; 512];
    match image.read_exact_at(&mut sector, at) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let word = |at: usize| u64::from(u32::from_le_bytes([0, 1, 2, 3].map(|i| sector[at + i])));
    let entry = |number: usize| {
        let at = DOS_ENTRIES + number * DOS_ENTRY;
        Entry {
            kind: sector[at + 4],
            start: word(at + 8),
            size: word(at + 12),
        }
    };
    let entries = [0, 1, 2, 3].map(entry);
    Ok((sector[510..] == DOS_SIGNATURE).then_some(entries))
}

fn of_dos(
    image: &File,
    sector: u64,
    table: &[Entry; 4],
    number: u32,
) -> io::Result<Option<Extent>> {
    let Some(logical) = number.checked_sub(5) else {
        let index = number
            .checked_sub(1)
            .and_then(|index| usize::try_from(index).ok());
        let entry = index.and_then(|index| table.get(index));
        let entry = entry.filter(|entry| entry.kind != 0 && !EXTENDED.contains(&entry.kind));
        return Ok(entry.map(|entry| (entry.start, entry.size)));
    };
    let is_extended = |entry: &&Entry| EXTENDED.contains(&entry.kind);
    let Some(extended) = table.iter().find(is_extended) else {
        return Ok(None);
    };
    // Each sector of the chain has a partition, counted from itself, and the next sector, counted from the extended partition.
    let mut at = extended.start;
    for position in 0..=logical.min(CHAIN) {
        let Some([own, next, ..]) = dos(image, at * sector)? else {
            return Ok(None);
        };
        if position == logical {
            return Ok((own.kind != 0).then_some((at + own.start, own.size)));
        }
        if !EXTENDED.contains(&next.kind) {
            return Ok(None);
        }
        at = extended.start + next.start;
    }
    Ok(None)
}

fn of_gpt(image: &File, sector: u64, number: u32) -> io::Result<Option<Extent>> {
    let mut header = [0; 92];
    image.read_exact_at(&mut header, sector)?;
    let word = |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|i| header[at + i]));
    let (entries, count, size) = (long(&header, 72), word(80), u64::from(word(84)));
    let index = number.checked_sub(1).filter(|index| *index < count);
    let Some(index) = index.filter(|_| header.starts_with(GPT_SIGNATURE) && size >= GPT_ENTRY)
    else {
        return Ok(None);
    };
    let at = entries.checked_mul(sector);
    let at = at.and_then(|at| at.checked_add(u64::from(index) * size));
    let mut entry = [0; GPT_ENTRY as usize];
    image.read_exact_at(&mut entry, at.ok_or(io::ErrorKind::InvalidData)?)?;
    let (first, last) = (long(&entry, 32), long(&entry, 40));
    let is_used = entry[..16].iter().any(|byte| *byte != 0);
    let size = last.checked_sub(first).and_then(|size| size.checked_add(1));
    Ok(size.filter(|_| is_used).map(|size| (first, size)))
}

fn long(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes([0, 1, 2, 3, 4, 5, 6, 7].map(|i| bytes[at + i]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    /// An image that sfdisk has partitioned; none where there is no sfdisk.
    fn image(script: &str) -> Option<tempfile::NamedTempFile> {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(64 << 20).unwrap();
        let mut sfdisk = Command::new("sfdisk");
        let sfdisk = sfdisk.arg("-q").arg(file.path()).stdin(Stdio::piped());
        let mut child = sfdisk.spawn().ok()?;
        io::Write::write_all(child.stdin.as_mut()?, script.as_bytes()).unwrap();
        child.wait().unwrap().success().then_some(file)
    }

    fn all(script: &str, numbers: std::ops::Range<u32>) -> Option<Vec<Option<Extent>>> {
        let image = image(script)?;
        let sectors = |extent: Extent| (extent.0 / 512, extent.1 / 512);
        let of = |number| find(image.as_file(), 512, number).unwrap().map(sectors);
        Some(numbers.map(of).collect())
    }

    #[test]
    fn partitions_are_where_sfdisk_put_them() {
        let gpt = "label: gpt\nstart=2048,size=4096\n3: start=8192,size=2048\n";
        let Some(found) = all(gpt, 0..5) else { return };
        let expected = [None, Some((2048, 4096)), None, Some((8192, 2048)), None];
        assert_eq!(found, expected);
        let dos = "label: dos\nstart=2048,size=4096\nstart=8192,size=20480,type=5\nstart=10240,size=2048\nstart=14336,size=4096\n";
        let dos = dos
            .replace("\nstart=10240", "\n5: start=10240")
            .replace("\nstart=14336", "\n6: start=14336");
        let expected = [
            None,
            Some((2048, 4096)),
            None,
            None,
            None,
            Some((10240, 2048)),
            Some((14336, 4096)),
            None,
        ];
        assert_eq!(all(&dos, 0..8).unwrap(), expected);
    }

    #[test]
    fn what_is_no_table_has_no_partitions() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for size in [0, 511, 1 << 20] {
            file.as_file().set_len(size).unwrap();
            assert_eq!(find(file.as_file(), 512, 1).unwrap(), None);
        }
        // A chain of logical partitions that leads to itself.
        let mut sector = [0; 512];
        sector[DOS_ENTRIES + 4] = 0x05;
        sector[DOS_ENTRIES + DOS_ENTRY + 4] = 0x05;
        sector[510..].copy_from_slice(&DOS_SIGNATURE);
        file.as_file().write_all_at(&sector, 0).unwrap();
        assert_eq!(find(file.as_file(), 512, u32::MAX).unwrap(), None);
    }
}
