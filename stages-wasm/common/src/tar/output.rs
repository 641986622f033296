//! Where an archive goes: a file as it is, so that the host copies contents, or a stream.
use super::header::BLOCK;
use osbuild_stage::{Error, File, Result};
use std::io::Write;

/// Archives are a multiple of this long, as GNU tar makes them.
const RECORD: u64 = 20 * BLOCK as u64;
/// What is collected before it is written.
const PENDING: usize = 256 << 10;
/// Contents up to this size are read; for larger ones a call of the host to copy them is cheaper.
const SMALL: u64 = 64 << 10;

/// An archive being written.
pub enum Output<'a> {
    /// As it is.
    Plain {
        /// The archive.
        file: File,
        /// Bytes written so far.
        written: u64,
        /// Bytes not yet written.
        pending: Vec<u8>,
    },
    /// Through something else, such as a compressor.
    Stream {
        /// Who takes the bytes.
        stream: &'a mut dyn Write,
        /// Bytes so far.
        written: u64,
    },
}

impl<'a> Output<'a> {
    /// An archive in `stream`.
    pub fn through(stream: &'a mut dyn Write) -> Self {
        Self::Stream { stream, written: 0 }
    }

    /// An archive in `file` from byte `offset`.
    pub fn at(file: File, offset: u64) -> Self {
        Self::Plain {
            file,
            written: offset,
            pending: Vec::with_capacity(PENDING),
        }
    }

    /// Bytes of the archive so far.
    fn length(&self) -> u64 {
        match self {
            Self::Plain {
                written, pending, ..
            } => written + pending.len() as u64,
            Self::Stream { written, .. } => *written,
        }
    }

    /// Adds bytes.
    pub fn put(&mut self, bytes: &[u8]) -> Result<()> {
        match self {
            Self::Plain { pending, .. } => pending.extend_from_slice(bytes),
            Self::Stream { stream, written } => {
                stream.write_all(bytes)?;
                *written += bytes.len() as u64;
            }
        }
        self.flush(PENDING)
    }

    /// Writes what is pending when it is more than `limit`.
    fn flush(&mut self, limit: usize) -> Result<()> {
        if let Self::Plain {
            file,
            written,
            pending,
        } = self
            && pending.len() > limit
        {
            file.write_at(*written, pending)?;
            *written += pending.len() as u64;
            pending.clear();
        }
        Ok(())
    }

    /// Adds `length` bytes of a file from `offset`.
    pub fn put_file(&mut self, source: &File, offset: u64, length: u64) -> Result<()> {
        if length > SMALL {
            self.flush(0)?;
            if let Self::Plain { file, written, .. } = self {
                let copied = file.copy_from(source, offset, *written, length)?;
                *written += copied;
                return if copied == length {
                    Ok(())
                } else {
                    Err(shrank(source))
                };
            }
        }
        let mut done = 0;
        while done < length {
            let wanted = usize::try_from(length - done).unwrap_or(usize::MAX);
            let bytes = source.read_at(offset + done, wanted)?;
            if bytes.is_empty() {
                return Err(shrank(source));
            }
            self.put(&bytes)?;
            done += bytes.len() as u64;
        }
        Ok(())
    }

    /// Fills up to a multiple of `unit`.
    fn fill(&mut self, unit: u64) -> Result<()> {
        let missing = self.length().next_multiple_of(unit) - self.length();
        self.put(&vec![0; usize::try_from(missing).unwrap_or(0)])
    }

    /// Fills up to a whole block.
    pub fn fill_block(&mut self) -> Result<()> {
        self.fill(BLOCK as u64)
    }

    /// Ends the archive: two empty blocks and a whole record.
    pub fn finish(mut self) -> Result<()> {
        self.put(&[0; 2 * BLOCK])?;
        self.end(RECORD)
    }

    /// Fills up to a multiple of `unit` and writes what is left.
    pub fn end(mut self, unit: u64) -> Result<()> {
        self.fill(unit)?;
        self.flush(0)
    }
}

fn shrank(file: &File) -> Error {
    Error::new(format!("{}: became shorter while it was read", file.path()))
}
