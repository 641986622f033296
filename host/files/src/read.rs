//! Files and streams that somebody names on a command line, read whole but not without end: a device or a pipe may have none.
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// No document is larger that people write or keep: a manifest, a policy, a lock file, the document of a module.
pub const LARGEST_DOCUMENT: u64 = 64 << 20;

/// No record of a run is larger: it names every file of every stage.
pub const LARGEST_RECORD: u64 = 1 << 30;

/// No component is larger; an interpreter with its library has some 20 MB.
pub const LARGEST_COMPONENT: u64 = 512 << 20;

/// What is in the file at `path`, at most so many bytes.
///
/// # Errors
/// It cannot be read, or there is more.
pub fn read_file(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    read_whole(File::open(path)?, most)
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
