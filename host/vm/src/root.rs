//! A root directory of others, in which links lead nowhere else.
use rustix::fd::OwnedFd;
use rustix::fs::{Dir, Mode, OFlags, ResolveFlags, openat2};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The most that is read of a text.
const TEXT: u64 = 64 << 20;

/// A root directory; paths are resolved as if it were `/`.
#[derive(Debug)]
pub struct RootDirectory(OwnedFd);

impl RootDirectory {
    /// Opens it.
    ///
    /// # Errors
    /// It is no directory, or closed to this user.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(rustix::fs::open(path, flags, Mode::empty())?))
    }

    fn resolve(&self, path: &str, flags: OFlags) -> io::Result<OwnedFd> {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let flags = flags | OFlags::CLOEXEC;
        Ok(openat2(&self.0, path, flags, Mode::empty(), resolve)?)
    }

    /// Opens a regular file.
    pub(crate) fn file(&self, path: &str) -> io::Result<File> {
        let file = File::from(self.resolve(path, OFlags::RDONLY | OFlags::NONBLOCK)?);
        match file.metadata()?.is_file() {
            true => Ok(file),
            false => Err(io::Error::other("not a regular file")),
        }
    }

    pub(crate) fn text(&self, path: &str) -> io::Result<String> {
        let mut text = String::new();
        self.file(path)?.take(TEXT).read_to_string(&mut text)?;
        Ok(text)
    }

    /// Names in a directory, sorted.
    pub(crate) fn names(&self, path: &str) -> io::Result<Vec<String>> {
        let directory = self.resolve(path, OFlags::RDONLY | OFlags::DIRECTORY)?;
        let mut names = Vec::new();
        for entry in Dir::read_from(&directory)? {
            names.extend(entry?.file_name().to_str().map(str::to_owned));
        }
        names.retain(|name| !name.starts_with('.'));
        names.sort();
        Ok(names)
    }
}
