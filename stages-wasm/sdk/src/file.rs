//! Open files.
use crate::bindings::osbuild::stage::tree;
use crate::{Context, Error, Metadata, Result};
use std::fmt;
use std::io::{self, Read, Seek, SeekFrom, Write};

pub use crate::bindings::osbuild::stage::tree::OpenMode;

/// The most that one call of the contract reads.
const CALL_LIMIT: usize = 1 << 20;

/// An open file with a position. Reading and writing go to the host at once: put a [`std::io::BufReader`] or
/// [`std::io::BufWriter`] around it for small pieces.
pub struct File {
    handle: tree::File,
    path: String,
    position: u64,
}

impl File {
    pub(crate) fn open(path: String, how: OpenMode, mode: u32) -> Result<Self> {
        let handle = tree::open(&path, how, mode)?;
        Ok(Self {
            handle,
            path,
            position: 0,
        })
    }

    /// The contract path it was opened by.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Metadata of the open file.
    pub fn stat(&self) -> Result<Metadata> {
        Ok(self.handle.stat()?)
    }

    /// Cuts or extends (with a hole) to `size` bytes.
    pub fn set_size(&self, size: u64) -> Result<()> {
        Ok(self.handle.set_size(size)?)
    }

    /// Waits until content and metadata are on the disk.
    pub fn sync(&self) -> Result<()> {
        Ok(self.handle.sync()?)
    }

    /// Fills `buffer` from byte `offset`.
    pub fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        let mut done = 0;
        while done < buffer.len() {
            let bytes = self.read_at(offset + done as u64, buffer.len() - done)?;
            if bytes.is_empty() {
                return Err(Error::new(format!(
                    "{}: ends before byte {}",
                    self.path,
                    offset + buffer.len() as u64
                )));
            }
            buffer[done..done + bytes.len()].copy_from_slice(&bytes);
            done += bytes.len();
        }
        Ok(())
    }

    /// Up to `length` bytes (and at most 1 MiB) from byte `offset`; none at the end.
    pub fn read_at(&self, offset: u64, length: usize) -> Result<Vec<u8>> {
        let length = u32::try_from(length.min(CALL_LIMIT)).unwrap_or(u32::MAX);
        Ok(self.handle.read(offset, length)?)
    }

    /// Writes all bytes at byte `offset`.
    pub fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        let mut offset = offset;
        for part in bytes.chunks(CALL_LIMIT) {
            self.handle.write(offset, part)?;
            offset += part.len() as u64;
        }
        Ok(())
    }

    /// Copies `length` bytes of `source` without passing them through the component; fewer only at its end. Returns how many.
    pub fn copy_from(
        &self,
        source: &File,
        source_offset: u64,
        offset: u64,
        length: u64,
    ) -> Result<u64> {
        let mut done = 0;
        while done < length {
            let copied = self.handle.copy_from(
                &source.handle,
                source_offset + done,
                offset + done,
                length - done,
            )?;
            if copied == 0 {
                break;
            }
            done += copied;
        }
        Ok(done)
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File")
            .field("path", &self.path)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

impl Read for File {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let bytes = self.read_at(self.position, buffer.len())?;
        buffer[..bytes.len()].copy_from_slice(&bytes);
        self.position += bytes.len() as u64;
        Ok(bytes.len())
    }
}

impl Write for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let part = &bytes[..bytes.len().min(CALL_LIMIT)];
        self.write_at(self.position, part)?;
        self.position += part.len() as u64;
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for File {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let (base, by) = match to {
            SeekFrom::Start(position) => (position, 0),
            SeekFrom::Current(by) => (self.position, by),
            SeekFrom::End(by) => (
                self.stat()
                    .context("seeking")
                    .map_err(io::Error::from)?
                    .size,
                by,
            ),
        };
        let outside =
            || io::Error::new(io::ErrorKind::InvalidInput, "position outside of the file");
        self.position = base.checked_add_signed(by).ok_or_else(outside)?;
        Ok(self.position)
    }
}
