//! Partition tables of disks with sectors larger than 512 bytes, made in files by programs that know no other sectors there.
//!
//! Such a program gets a twin: a file with as many sectors as the disk, of 512 bytes each, so that every number in the table is right.
//! What it wrote is then put where it belongs on the disk: tables of kind dos sector by sector, and of GPT (UEFI specification, chapter
//! 5) the entries, which are packed into fewer sectors, and the headers, which say so.
use super::partitions::{
    CHAIN, DOS_ENTRIES, DOS_ENTRY, DOS_SIGNATURE, EXTENDED, GPT_SIGNATURE, PROTECTIVE,
};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Bytes of a sector of the twin.
const SMALL: u64 = 512;

/// Checksums of GPT.
const CRC: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);

/// Most bytes of the entries of a GPT: far more than any program makes.
const MOST_ENTRIES: u64 = 1 << 20;

/// A disk in an image.
#[derive(Debug, Clone, Copy)]
pub(super) struct Disk {
    /// First byte.
    pub(super) at: u64,
    pub(super) size: u64,
    /// Bytes of a sector.
    pub(super) sector: u64,
}

impl Disk {
    /// Bytes of the twin.
    pub(super) fn twin_size(&self) -> u64 {
        self.size / self.sector * SMALL
    }

    /// Gives the twin the boot code of the disk.
    pub(super) fn begin(&self, image: &File, twin: &File) -> io::Result<()> {
        let mut sector = [0; SMALL as usize];
        image.read_exact_at(&mut sector, self.at)?;
        sector[DOS_ENTRIES..].fill(0);
        twin.write_all_at(&sector, 0)
    }

    /// Brings the table of the twin onto the disk.
    pub(super) fn write(&self, twin: &File, image: &File) -> io::Result<()> {
        let table = small(twin, 0)?;
        self.put(image, 0, &table)?;
        if table[510..] != DOS_SIGNATURE {
            return Ok(());
        }
        let kinds = [0, 1, 2, 3].map(|number| table[DOS_ENTRIES + number * DOS_ENTRY + 4]);
        if kinds.contains(&PROTECTIVE) {
            return self.write_gpt(twin, image);
        }
        let extended = [0, 1, 2, 3].map(|number| link(&table, number));
        match extended.into_iter().flatten().next() {
            Some(first) => self.write_chain(first, twin, image),
            None => Ok(()),
        }
    }

    /// The sectors before logical partitions.
    fn write_chain(&self, first: u64, twin: &File, image: &File) -> io::Result<()> {
        let mut at = first;
        for _ in 0..CHAIN {
            let sector = small(twin, at)?;
            self.put(image, at, &sector)?;
            match link(&sector, 1) {
                Some(next) => at = first + next,
                None => return Ok(()),
            }
        }
        Err(broken())
    }

    fn write_gpt(&self, twin: &File, image: &File) -> io::Result<()> {
        let mut header = small(twin, 1)?;
        let (count, size) = (u64::from(word(&header, 80)), u64::from(word(&header, 84)));
        let length = count
            .checked_mul(size)
            .filter(|length| *length <= MOST_ENTRIES);
        let length = length.filter(|_| header.starts_with(GPT_SIGNATURE));
        let length = length.ok_or_else(broken)?;
        let mut entries = vec![0; usize::try_from(length).map_err(|_| broken())?];
        twin.read_exact_at(&mut entries, byte(long(&header, 72), SMALL)?)?;
        let sectors = self.size / self.sector;
        let (there, here) = (length.div_ceil(SMALL), length.div_ceil(self.sector));
        // What the program has not chosen but counted is counted anew.
        let backup = sectors.checked_sub(1 + here).ok_or_else(broken)?;
        if long(&header, 40) == 2 + there {
            put_long(&mut header, 40, 2 + here);
        }
        if Some(long(&header, 48)) == sectors.checked_sub(2 + there) {
            put_long(&mut header, 48, backup - 1);
        }
        for (own, other, table) in [(1, sectors - 1, 2), (sectors - 1, 1, backup)] {
            put_long(&mut header, 24, own);
            put_long(&mut header, 32, other);
            put_long(&mut header, 72, table);
            header[16..20].fill(0);
            let length = usize::try_from(word(&header, 12)).map_err(|_| broken())?;
            let sum = CRC.checksum(header.get(..length).ok_or_else(broken)?);
            header[16..20].copy_from_slice(&sum.to_le_bytes());
            self.put(image, own, &header)?;
            image.write_all_at(&entries, self.at + byte(table, self.sector)?)?;
        }
        Ok(())
    }

    /// Writes a sector of the twin, which is the beginning of one of the disk.
    fn put(&self, image: &File, number: u64, sector: &[u8; SMALL as usize]) -> io::Result<()> {
        image.write_all_at(sector, self.at + byte(number, self.sector)?)
    }
}

/// A sector of the twin.
fn small(twin: &File, number: u64) -> io::Result<[u8; SMALL as usize]> {
    let mut sector = [0; SMALL as usize];
    twin.read_exact_at(&mut sector, byte(number, SMALL)?)?;
    Ok(sector)
}

fn byte(sector: u64, size: u64) -> io::Result<u64> {
    sector.checked_mul(size).ok_or_else(broken)
}

fn broken() -> io::Error {
    io::Error::other("the partition table is not as programs make it")
}

/// Where an entry of a dos table leads to, if it is one that leads on.
fn link(sector: &[u8; SMALL as usize], number: usize) -> Option<u64> {
    let at = DOS_ENTRIES + number * DOS_ENTRY;
    EXTENDED
        .contains(&sector[at + 4])
        .then(|| u64::from(word(sector, at + 8)))
}

fn word(bytes: &[u8; SMALL as usize], at: usize) -> u32 {
    u32::from_le_bytes([0, 1, 2, 3].map(|index| bytes[at + index]))
}

fn long(bytes: &[u8; SMALL as usize], at: usize) -> u64 {
    u64::from(word(bytes, at)) | u64::from(word(bytes, at + 4)) << 32
}

fn put_long(bytes: &mut [u8; SMALL as usize], at: usize, value: u64) {
    bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
}
