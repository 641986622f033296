//! Whose a store is: what it holds is exported as if it had been built now, so only who runs the program may have put it there.

use crate::StoreError;
use crate::error::At;
use osbuild_wasm_files::resolve::is_writable_by_others;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::path::Path;

/// All that a store has at its top. What is below has owners of images, and only who owns the directory could put it there.
const ENTRIES: [&str; 8] = [
    "CACHEDIR.TAG",
    "store.json",
    "objects",
    "sources",
    "sources.lock",
    "scratch",
    "noted",
    "unsynced",
];

/// The rights of everybody but the owner.
const OTHERS: u32 = 0o077;

/// The user in whose name this program runs. In a user namespace that is 0, and so is the owner of what the user has made outside.
pub(crate) fn own_id() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Refuses a store that is not of the user `own` alone, or that leads elsewhere by a link. `store` has been resolved: links on the way
/// to it are the caller's.
pub(crate) fn refuse_strangers(store: &Path, own: u32) -> Result<(), StoreError> {
    check(store, "the store", own)?;
    for name in ENTRIES {
        check(&store.join(name), "the store's entry", own)?;
    }
    Ok(())
}

/// Checks one name, which need not be there yet.
fn check(path: &Path, what: &'static str, own: u32) -> Result<(), StoreError> {
    let stat = match rustix::fs::statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => return Ok(()),
        found => found.at("examine", path)?,
    };
    let path = path.to_owned();
    if stat.st_uid != own {
        let owner = stat.st_uid;
        return Err(StoreError::Stranger {
            what,
            path,
            owner,
            own,
        });
    }
    match () {
        () if is_link(&stat) => Err(StoreError::Link { what, path }),
        () if is_writable_by_others(&stat) => Err(StoreError::Shared { what, path }),
        () => Ok(()),
    }
}

fn is_link(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Symlink
}

/// Closes a directory to everybody but its owner: earlier programs made it for all to read, and a `file:` URL may have brought
/// into it what others must not read.
pub(crate) fn close_to_others(path: &Path) -> Result<(), StoreError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = rustix::fs::openat(CWD, path, flags, Mode::empty()).at("open", path)?;
    let stat = rustix::fs::fstat(&directory).at("examine", path)?;
    if stat.st_mode & OTHERS == 0 {
        return Ok(());
    }
    rustix::fs::fchmod(&directory, Mode::RWXU).at("close to other users", path)
}
