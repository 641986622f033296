//! Compiled code that was made when the program was installed, so that not even the first run compiles anything.
//!
//! It is trusted like the program itself: an entry counts only when nobody but root and the owner of the program can write it and
//! its directory, and they could as well replace the program.
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, fstat, openat};
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

/// Level of zstd: compiled code shrinks to a quarter, and is read faster than it would be from a disk.
const COMPRESSION: i32 = 3;

/// Beside the directory of the program.
const DIRECTORY: &str = "lib/osbuild-wasm/compiled";

/// Bits of a mode by which others could write.
const OTHERS_WRITE: u32 = 0o022;

/// A directory of compiled code that belongs to the program.
#[derive(Debug)]
pub struct Installed {
    directory: OwnedFd,
    owner: u32,
}

impl Installed {
    /// `../lib/osbuild-wasm/compiled` of the program's directory; none when it is missing or others can write it.
    pub fn of_program() -> Option<Self> {
        let program = std::env::current_exe().ok()?;
        let owner = std::fs::metadata(&program).ok()?.uid();
        Self::open(&program.parent()?.parent()?.join(DIRECTORY), owner)
    }

    fn open(path: &Path, owner: u32) -> Option<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory = openat(CWD, path, flags, Mode::empty()).ok()?;
        is_of(&directory, owner).then_some(Self { directory, owner })
    }

    /// The compiled code stored under `name`, if it is the program's.
    pub(crate) fn get(&self, name: &str) -> Option<Vec<u8>> {
        // An entry that is a pipe must not make us wait.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let entry = openat(&self.directory, name, flags, Mode::empty()).ok()?;
        let code = is_of(&entry, self.owner).then(|| zstd::decode_all(File::from(entry)));
        code?.ok()
    }
}

/// Writes an entry for [`Installed::get`].
pub(crate) fn put(directory: &Path, name: &str, code: &[u8]) -> io::Result<()> {
    let unfinished = directory.join(format!(".{name}"));
    let mut file = File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o644) // Whatever the umask lets others do: what they can write is not used.
        .open(&unfinished)?;
    file.write_all(&zstd::encode_all(code, COMPRESSION)?)?;
    std::fs::rename(&unfinished, directory.join(name))
}

/// Whether an open file or directory belongs to `owner` or root and others cannot write it.
fn is_of(handle: &impl AsFd, owner: u32) -> bool {
    fstat(handle).is_ok_and(|stat| {
        (stat.st_uid == owner || stat.st_uid == 0) && stat.st_mode & OTHERS_WRITE == 0
    })
}
