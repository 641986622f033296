//! Files for people that appear whole or not at all, and never through a link.
use crate::resolve::open_directory_of;
use rustix::fs::{AtFlags, FileType, OFlags};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

/// Names that are tried for a file that is not finished.
const ATTEMPTS: u32 = 1000;

/// A file that is to take its name when it is finished; dropped before, it was never there.
#[derive(Debug)]
pub struct NewFile {
    directory: OwnedFd,
    name: OsString,
    unfinished: OsString,
    file: File,
}

/// Writes `content` to `path`, which may exist.
///
/// # Errors
/// As [`NewFile::create`].
pub fn write_file(path: &Path, content: &[u8]) -> io::Result<()> {
    write_whole(NewFile::create(path)?, content)
}

/// The same with mode 0600.
///
/// # Errors
/// As [`NewFile::create`].
pub fn write_private_file(path: &Path, content: &[u8]) -> io::Result<()> {
    write_whole(NewFile::with_mode(path, 0o600)?, content)
}

fn write_whole(mut new: NewFile, content: &[u8]) -> io::Result<()> {
    new.write_all(content)?;
    new.finish()
}

/// Writes `content` to the file `path` of this mode, which must not be there yet, be it as a link.
///
/// # Errors
/// It is there; a link of another user leads to its directory.
pub fn write_new_file(path: &Path, mode: u32, content: &[u8]) -> io::Result<()> {
    let (directory, name) = place(path)?;
    create(&directory, &name, mode)?.write_all(content)
}

/// Gives the file `from` the name `to` on the same file system. What has that name already must be a file, and is replaced.
///
/// # Errors
/// There is something that is no file, e.g. a directory or a device; a link of another user leads to one of the directories.
pub fn move_file(from: &Path, to: &Path) -> io::Result<()> {
    let (from, old_name) = place(from)?;
    let (to, new_name) = place(to)?;
    check_present(&to, &new_name)?;
    Ok(rustix::fs::renameat(from, old_name, to, new_name)?)
}

/// Opens a file that is there to be locked, and makes it where it is missing. Its content does not count.
///
/// # Errors
/// There is a link; a link of another user leads to its directory.
pub fn open_lock_file(path: &Path) -> io::Result<File> {
    let (directory, name) = place(path)?;
    // A pipe of that name would be waited for.
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    Ok(rustix::fs::openat(directory, name, flags | OFlags::CLOEXEC, 0o600.into())?.into())
}

impl NewFile {
    /// Begins the file at `path` with mode 0644.
    ///
    /// # Errors
    /// There is something that is no file, e.g. a directory or a device; a link of another user leads there.
    pub fn create(path: &Path) -> io::Result<Self> {
        Self::with_mode(path, 0o644)
    }

    fn with_mode(path: &Path, mode: u32) -> io::Result<Self> {
        let (directory, name) = place(path)?;
        check_present(&directory, &name)?;
        let (unfinished, file) = unfinished(&directory, mode)?;
        Ok(Self {
            directory,
            name,
            unfinished,
            file,
        })
    }

    /// Another descriptor of it, for another writer at the same time.
    ///
    /// # Errors
    /// There are too many descriptors.
    pub fn writer(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Gives it its name. A link of that name is replaced, not followed.
    ///
    /// # Errors
    /// The file cannot be written or named.
    pub fn finish(self) -> io::Result<()> {
        self.file.sync_all()?;
        rustix::fs::renameat(
            &self.directory,
            &self.unfinished,
            &self.directory,
            &self.name,
        )?;
        Ok(())
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        // Gone already when it was finished.
        _ = rustix::fs::unlinkat(&self.directory, &self.unfinished, AtFlags::empty());
    }
}

/// The directory of a file, open, and its name there.
fn place(path: &Path) -> io::Result<(OwnedFd, OsString)> {
    let name = path.file_name().ok_or(io::ErrorKind::IsADirectory)?;
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    Ok((open_directory_of(directory)?, name.to_owned()))
}

/// A file that was not there.
fn create(directory: &OwnedFd, name: &OsStr, mode: u32) -> rustix::io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(directory, name, flags, mode.into()).map(File::from)
}

/// What is there may be a file or a link to one; devices and pipes would be lost.
fn check_present(directory: &OwnedFd, name: &OsStr) -> io::Result<()> {
    let stat = match rustix::fs::statat(directory, name, AtFlags::empty()) {
        // Also a link that leads nowhere.
        Err(_) => return Ok(()),
        Ok(stat) => stat,
    };
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok(()),
        FileType::Directory => Err(io::ErrorKind::IsADirectory.into()),
        _ => Err(io::Error::other("there is something that is no file")),
    }
}

fn unfinished(directory: &OwnedFd, mode: u32) -> io::Result<(OsString, File)> {
    for attempt in 0..ATTEMPTS {
        let name = format!(".osbuild-wasm-{}-{attempt}", std::process::id());
        match create(directory, name.as_ref(), mode) {
            Err(Errno::EXIST) => {}
            file => return Ok((name.into(), file?)),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}
