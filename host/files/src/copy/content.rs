//! The bytes of one file: shared if the file system can, else copied by the kernel, else read and written; holes
//! stay holes and memory does not grow with the file.

use rustix::fs::{FallocateFlags, SeekFrom, Stat};
use rustix::io::Errno;
use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// One read when the kernel cannot copy by itself; larger ones are no faster.
const CHUNK: usize = 256 * 1024;

/// So much is copied by one call, so that a copy that is to end does end.
const PIECE: u64 = 16 << 20;

/// Asked before so many bytes are written.
pub(super) type Take<'a> = dyn Fn(u64) -> io::Result<()> + 'a;

/// Copies files, remembering what the file systems at hand cannot do.
#[derive(Default)]
pub(super) struct Cloning {
    /// Source devices from which nothing can be reflinked to the destination.
    refused: HashSet<u64>,
}

impl Cloning {
    /// Fills the empty file `to` with the content of `from`; returns bytes copied and bytes shared. Shared bytes are taken too: what a
    /// stage may write does not depend on the file system.
    pub(super) fn copy(
        &mut self,
        from: &File,
        to: &File,
        stat: &Stat,
        take: &Take<'_>,
    ) -> io::Result<(u64, u64)> {
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        if size == 0 {
            return Ok((0, 0));
        }
        if !self.refused.contains(&stat.st_dev) {
            match rustix::fs::ioctl_ficlone(to, from) {
                Ok(()) => {
                    take(crate::size::allocated(stat).min(size))?;
                    return Ok((0, size));
                }
                Err(Errno::XDEV | Errno::OPNOTSUPP | Errno::NOTTY | Errno::NOSYS) => {
                    self.refused.insert(stat.st_dev);
                }
                Err(_) => {} // Of this file only, for instance one without copy-on-write: copy it.
            }
        }
        to.set_len(size)?;
        let mut copied = 0;
        let mut offset = 0;
        while let Some((start, end)) = next_data(from, offset, size)? {
            let end = end.min(start.saturating_add(PIECE));
            take(end - start)?;
            copy_range(from, start, to, start, end - start)?;
            copied += end - start;
            offset = end;
        }
        Ok((copied, 0))
    }
}

/// The next stretch of data at or after `offset`.
fn next_data(file: &File, offset: u64, size: u64) -> io::Result<Option<(u64, u64)>> {
    if offset >= size {
        return Ok(None);
    }
    let start = match rustix::fs::seek(file, SeekFrom::Data(offset)) {
        Ok(start) => start,
        Err(Errno::NXIO) => return Ok(None),
        Err(Errno::INVAL) => return Ok(Some((offset, size))), // Knows no holes.
        Err(error) => return Err(error.into()),
    };
    let end = rustix::fs::seek(file, SeekFrom::Hole(start))?.min(size);
    Ok((start < end).then_some((start, end)))
}

/// Copies a part of a file into a part of another, of which nothing else is left: holes become holes, and what the file system can
/// share is shared. Works without end of the files being touched; memory does not grow with the part.
///
/// # Errors
/// Of reading and writing; `to` may then have some of it.
pub fn copy_part(from: &File, start: u64, to: &File, at: u64, length: u64) -> io::Result<()> {
    let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    match rustix::fs::fallocate(to, punch, at, length) {
        Ok(()) => {}
        Err(Errno::OPNOTSUPP) if length > 0 => write_zeros(to, at, length)?,
        Err(Errno::INVAL) if length == 0 => return Ok(()),
        Err(errno) => return Err(errno.into()),
    }
    let (mut offset, end) = (start, start + length);
    while let Some((data, next)) = next_data(from, offset, end)? {
        copy_range(from, data, to, at + (data - start), next - data)?;
        offset = next;
    }
    Ok(())
}

fn write_zeros(to: &File, mut at: u64, mut length: u64) -> io::Result<()> {
    let zeros = vec![0; CHUNK];
    while length > 0 {
        let count = zeros.len().min(usize::try_from(length).unwrap_or(CHUNK));
        to.write_all_at(&zeros[..count], at)?;
        at += count as u64;
        length -= count as u64;
    }
    Ok(())
}

fn copy_range(
    from: &File,
    mut start: u64,
    to: &File,
    mut at: u64,
    mut length: u64,
) -> io::Result<()> {
    while length > 0 {
        let (mut read, mut written) = (start, at);
        let count = usize::try_from(length).unwrap_or(usize::MAX >> 1);
        match rustix::fs::copy_file_range(from, Some(&mut read), to, Some(&mut written), count) {
            Ok(0)
            | Err(Errno::XDEV | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::PERM) => {
                return read_and_write(from, start, to, at, length);
            }
            Ok(count) => {
                start += count as u64;
                at += count as u64;
                length -= count as u64;
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn read_and_write(
    from: &File,
    mut start: u64,
    to: &File,
    mut at: u64,
    mut length: u64,
) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    while length > 0 {
        let want = buffer.len().min(usize::try_from(length).unwrap_or(CHUNK));
        let count = from.read_at(&mut buffer[..want], start)?;
        if count == 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the file became shorter while it was copied",
            ));
        }
        to.write_all_at(&buffer[..count], at)?;
        start += count as u64;
        at += count as u64;
        length -= count as u64;
    }
    Ok(())
}
