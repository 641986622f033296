//! Files and streams that a command line names, read whole but not without end: a device or a pipe may have none.
use crate::dirs::proc_path;
use rustix::fd::OwnedFd;
use rustix::fs::{FileType, Mode, OFlags, fstat, fstatfs, major, minor, open};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// No document is larger that people write or keep: a manifest, a policy, a lock file, the document of a module.
pub const LARGEST_DOCUMENT: u64 = 64 << 20;

/// No record of a run is larger: it names every file of every stage.
pub const LARGEST_RECORD: u64 = 1 << 30;

/// No component is larger; an interpreter with its library has some 20 MB.
pub const LARGEST_COMPONENT: u64 = 512 << 20;

/// Devices of the kernel's memory (major number 1) that answer at once: null, zero, full and urandom.
const ANSWERING: [u32; 4] = [3, 5, 7, 9];

/// Magic number of the file system that pipes without a name are on (statfs(2)).
const PIPES: i64 = 0x5049_5045;

/// What is in the file at `path`, at most so many bytes.
///
/// # Errors
/// It is nothing that [`open_readable`] opens, cannot be read, or there is more.
pub fn read_file(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    read_whole(open_readable(path)?, most)
}

/// Opens a file whose content can be waited for: a regular one, or a pipe that this process was given, such as `/dev/fd/63` of a shell's
/// `<(...)`. Nothing else is opened, since that alone may wait without end, or do something to a device.
///
/// # Errors
/// It is not there, or of another kind.
pub fn open_readable(path: &Path) -> io::Result<File> {
    let found = open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    match kind_that_may_never_end(&found)? {
        Some(kind) => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("it is {kind}, and might be waited for without end: give a regular file"),
        )),
        None => File::open(proc_path(&found)),
    }
}

/// What it is, when nobody knows whether it has an end.
fn kind_that_may_never_end(found: &OwnedFd) -> io::Result<Option<&'static str>> {
    let stat = fstat(found)?;
    let answers = || major(stat.st_rdev) == 1 && ANSWERING.contains(&minor(stat.st_rdev));
    Ok(match FileType::from_raw_mode(stat.st_mode) {
        FileType::Fifo if fstatfs(found)?.f_type != PIPES => Some("a named pipe"),
        FileType::Socket => Some("a socket"),
        FileType::BlockDevice => Some("a device"),
        FileType::CharacterDevice if !answers() => Some("a device"),
        // A reader of a directory is told that it is one.
        _ => None,
    })
}

/// What is left to read, at most so many bytes.
///
/// # Errors
/// It cannot be read, or there is more.
pub fn read_whole(from: impl Read, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        let message = format!(
            "it has more than {} MiB, and so many are not read",
            most >> 20
        );
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(bytes)
}

/// The text in the file at `path`, at most so many bytes.
///
/// # Errors
/// It cannot be read, is no UTF-8, or there is more.
pub fn read_text(path: &Path, most: u64) -> io::Result<String> {
    let invalid = |error| io::Error::new(io::ErrorKind::InvalidData, error);
    String::from_utf8(read_file(path, most)?).map_err(invalid)
}
