//! Compiled code that was made when the program was installed, so that not even the first run compiles anything.
//!
//! It is trusted like the program itself: an entry counts only when root and the owner of the program alone can write it and
//! its directory, and they could as well replace the program.
use osbuild_wasm_files::resolve::{is_unshared, is_writable_by_others};
use osbuild_wasm_files::write_file;
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags, Stat, fstat, openat, statat};
use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Level of zstd: compiled code shrinks to a quarter, and is read faster than it would be from a disk.
const COMPRESSION: i32 = 3;

/// Beside the directory of the program.
const DIRECTORY: &str = "lib/osbuild-wasm/compiled";

/// A directory of compiled code that belongs to the program.
#[derive(Debug)]
pub struct Installed {
    directory: OwnedFd,
    /// Device and inode of the entries that belong to the program. Owners are looked at when the directory is opened: once the
    /// process is in a user namespace, root and every stranger have one number there.
    entries: BTreeSet<(u64, u64)>,
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
        if !is_unshared(&fstat(&directory).ok()?, owner) {
            return None;
        }
        let of_program = |entry: rustix::io::Result<rustix::fs::DirEntry>| {
            let stat = statat(
                &directory,
                entry.ok()?.file_name(),
                AtFlags::SYMLINK_NOFOLLOW,
            )
            .ok()?;
            is_unshared(&stat, owner).then(|| identity(&stat))
        };
        let entries = Dir::read_from(&directory)
            .ok()?
            .filter_map(of_program)
            .collect();
        Some(Self { directory, entries })
    }

    /// The compiled code stored under `name`, if it is the program's.
    pub(crate) fn get(&self, name: &str) -> Option<Vec<u8>> {
        // An entry that is a pipe must not make us wait.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let entry = openat(&self.directory, name, flags, Mode::empty()).ok()?;
        let stat = fstat(&entry).ok()?;
        if !self.entries.contains(&identity(&stat)) || is_writable_by_others(&stat) {
            return None;
        }
        zstd::decode_all(File::from(entry)).ok()
    }
}

/// Writes an entry for [`Installed::get`].
pub(crate) fn put(directory: &Path, name: &str, code: &[u8]) -> io::Result<()> {
    let compressed = zstd::encode_all(code, COMPRESSION)?;
    write_file(&directory.join(name), &compressed)
}

fn identity(stat: &Stat) -> (u64, u64) {
    (stat.st_dev, stat.st_ino)
}
