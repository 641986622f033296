//! Open files.
use super::Result;
use super::errors::{from_errno, invalid};
use super::names::metadata_of;
use crate::bindings::tree::Metadata;
use crate::quota::StageQuota;
use osbuild_wasm_files::allocated;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{copy_file_range, fstat, fsync, ftruncate};
use rustix::io::{Errno, pread, pwrite, write};
use std::sync::Arc;

/// Most bytes of one `read` call.
const READ_LIMIT: u32 = 1 << 20;
/// Most bytes that `tree.read` returns at once.
const WHOLE_LIMIT: u64 = 16 << 20;
/// So much is copied by one call of the kernel, so that a copy that is to end does end.
const COPY_PIECE: u64 = 16 << 20;
/// Size of the pieces when the kernel cannot copy by itself.
const PIECE: usize = 128 << 10;

/// A file that a component has open.
#[derive(Debug)]
pub struct OpenFile {
    fd: OwnedFd,
    path: String,
    append: bool,
    quota: Arc<StageQuota>,
}

impl OpenFile {
    pub(super) fn new(fd: OwnedFd, path: &str, append: bool, quota: Arc<StageQuota>) -> Self {
        Self {
            fd,
            path: path.to_owned(),
            append,
            quota,
        }
    }

    pub(super) fn into_descriptor(self) -> OwnedFd {
        self.fd
    }

    pub(super) fn descriptor(&self) -> rustix::fd::BorrowedFd<'_> {
        rustix::fd::AsFd::as_fd(&self.fd)
    }

    pub(super) fn read(&self, offset: u64, length: u32) -> Result<Vec<u8>> {
        let mut bytes = vec![0; length.min(READ_LIMIT) as usize];
        let count =
            retry(|| pread(&self.fd, &mut bytes, offset)).map_err(|errno| self.error(errno))?;
        bytes.truncate(count);
        Ok(bytes)
    }

    pub(super) fn read_all(&self) -> Result<Vec<u8>> {
        let size = self.stat()?.size;
        if size > WHOLE_LIMIT {
            return Err(invalid(
                &self.path,
                format_args!("{size} bytes are too many to read at once: open the file"),
            ));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
        loop {
            let piece = self.read(bytes.len() as u64, READ_LIMIT)?;
            if piece.is_empty() {
                return Ok(bytes);
            }
            bytes.extend_from_slice(&piece);
            if bytes.len() as u64 > WHOLE_LIMIT {
                return Err(invalid(&self.path, "grows while it is read"));
            }
        }
    }

    pub(super) fn write(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.quota.take_bytes(&self.path, bytes.len() as u64)?;
        let mut done = 0;
        while done < bytes.len() {
            let rest = &bytes[done..];
            let count = retry(|| match self.append {
                true => write(&self.fd, rest),
                false => pwrite(&self.fd, rest, offset.saturating_add(done as u64)),
            });
            match count.map_err(|errno| self.error(errno))? {
                0 => return Err(self.error(Errno::IO)),
                count => done += count,
            }
        }
        Ok(())
    }

    pub(super) fn copy_from(
        &self,
        source: &Self,
        mut from: u64,
        mut to: u64,
        length: u64,
    ) -> Result<u64> {
        let available = source.stat()?.size.saturating_sub(from);
        let wanted = length.min(available);
        let mut done = 0;
        while done < wanted {
            let piece = (wanted - done).min(COPY_PIECE);
            self.quota.take_bytes(&self.path, piece)?;
            let piece = usize::try_from(piece).unwrap_or(PIECE);
            let count = match copy_file_range(
                &source.fd,
                Some(&mut from),
                &self.fd,
                Some(&mut to),
                piece,
            ) {
                Ok(count) => count as u64,
                Err(Errno::INTR) => continue,
                Err(Errno::XDEV | Errno::INVAL | Errno::NOTSUP | Errno::BADF) => {
                    let count = self.copy_piece(source, from, to, piece.min(PIECE))?;
                    from += count;
                    to += count;
                    count
                }
                Err(errno) => return Err(self.error(errno)),
            };
            if count == 0 {
                break;
            }
            done += count;
        }
        Ok(done)
    }

    /// Devices and different file systems: through a buffer.
    fn copy_piece(&self, source: &Self, from: u64, to: u64, length: usize) -> Result<u64> {
        let bytes = source.read(from, u32::try_from(length).unwrap_or(READ_LIMIT))?;
        let mut done = 0;
        while done < bytes.len() {
            done += retry(|| pwrite(&self.fd, &bytes[done..], to + done as u64))
                .map_err(|errno| self.error(errno))?;
        }
        Ok(bytes.len() as u64)
    }

    pub(super) fn set_size(&self, size: u64) -> Result<()> {
        resize(&self.fd, &self.path, size, &self.quota)
    }

    pub(super) fn stat(&self) -> Result<Metadata> {
        let metadata = fstat(&self.fd).map_err(|errno| self.error(errno))?;
        let mut metadata = metadata_of(&metadata);
        if metadata.kind == crate::bindings::tree::FileType::BlockDevice {
            metadata.size = rustix::fs::seek(&self.fd, rustix::fs::SeekFrom::End(0))
                .map_err(|errno| self.error(errno))?;
        }
        Ok(metadata)
    }

    pub(super) fn sync(&self) -> Result<()> {
        fsync(&self.fd).map_err(|errno| self.error(errno))
    }

    fn error(&self, errno: Errno) -> crate::bindings::types::Error {
        from_errno(&self.path, errno)
    }
}

/// Sets the size of an open file. A hole costs nothing, but not every file system has holes: what it takes for them is taken from the
/// quota, or undone.
pub(crate) fn resize(file: &impl AsFd, path: &str, size: u64, quota: &StageQuota) -> Result<()> {
    let failed = |errno| from_errno(path, errno);
    quota.go_on(path)?;
    let before = fstat(file).map_err(failed)?;
    retry(|| ftruncate(file, size)).map_err(failed)?;
    let after = fstat(file).map_err(failed)?;
    let grown = allocated(&after).saturating_sub(allocated(&before));
    quota.take_bytes(path, grown).inspect_err(|_| {
        _ = ftruncate(file, u64::try_from(before.st_size).unwrap_or(0));
    })
}

fn retry<T>(mut call: impl FnMut() -> rustix::io::Result<T>) -> rustix::io::Result<T> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            other => return other,
        }
    }
}
