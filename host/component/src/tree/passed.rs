//! Files that a helper works on for a component: resolved and checked once, and handed over by descriptor.
use super::errors::{denied, from_errno, invalid};
use super::roots::{Roots, host_path};
use super::{OpenFile, Result};
use crate::bindings::tree::OpenMode;
use osbuild_wasm_capability::Verb;
use osbuild_wasm_files::name_from_text;
use osbuild_wasm_protocol::PackageFile;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, Mode, OFlags, fstat, statat};
use rustix::io::Errno;
use std::collections::BTreeMap;

/// So many directories the packages of one call may lie in: their descriptors go with one message.
const DIRECTORIES: usize = 64;

/// Mode of files that are made for a program, before the umask.
const MODE: u32 = 0o644;

/// An object that a call is about.
#[derive(Debug)]
pub(crate) struct Passed {
    /// Where it really is, as a path of the contract.
    pub(crate) path: String,
    /// The object that the rights were asked for.
    pub(crate) file: OwnedFd,
}

/// A file that a call writes.
#[derive(Debug)]
pub(crate) struct Target {
    /// The file, which is there.
    pub(crate) file: Passed,
    /// Its directory: some formats have further files beside it.
    pub(crate) directory: OwnedFd,
}

/// Package files, of which there may be more than descriptors: each is a name in one of some directories.
#[derive(Debug, Default)]
pub(crate) struct Packages {
    /// The directories.
    pub(crate) directories: Vec<OwnedFd>,
    /// The packages, in the order in which they were named.
    pub(crate) files: Vec<PackageFile>,
}

impl Roots {
    /// Finds an object, with leave to do these verbs to it.
    pub(crate) fn passed(&self, path: &str, verbs: &[Verb]) -> Result<Passed> {
        let located = self.locate(path)?;
        if verbs.iter().any(|verb| *verb != Verb::Read) {
            located.writable()?;
        }
        let handle = located.path_fd(true);
        let file = handle.map_err(|errno| from_errno(path, errno))?;
        for verb in verbs {
            located.permit(*verb, &file)?.done();
        }
        let path = located.place(&file)?;
        Ok(Passed { path, file })
    }

    /// Finds an object of which only the helper's word is wanted.
    pub(super) fn examined(&self, path: &str, follow: bool) -> Result<Passed> {
        let contents = path.ends_with('/') || path.ends_with("/.");
        let located = self.locate(path)?;
        let handle = located.path_fd(follow || contents);
        let file = handle.map_err(|errno| from_errno(path, errno))?;
        let path = located.place(&file)?;
        Ok(Passed { path, file })
    }

    /// Finds what was just made, be it a link.
    pub(super) fn itself(&self, path: &str) -> Result<Passed> {
        let handle = self.locate(path)?.path_fd(false);
        let file = handle.map_err(|errno| from_errno(path, errno))?;
        let path = path.to_owned();
        Ok(Passed { path, file })
    }

    /// Finds a file that is to be written, or makes it, with leave to do so.
    pub(crate) fn target(&self, path: &str) -> Result<Target> {
        // Not cut: the program does that, or refuses.
        let file = self.open(path, OpenMode::Append, MODE)?.into_descriptor();
        let place = self.place_of(&file)?;
        let (parent, name) = place.rsplit_once('/').unwrap_or_default();
        let directory = self.directory(parent)?;
        self.is_in(&directory, name, &file, path)?;
        let file = Passed { path: place, file };
        Ok(Target { file, directory })
    }

    /// Opens a file for the standard input or output of a program, with leave to do so.
    pub(crate) fn stream(&self, path: &str, how: OpenMode) -> Result<OwnedFd> {
        self.open(path, how, MODE).map(OpenFile::into_descriptor)
    }

    /// Finds package files in their directories.
    pub(crate) fn packages(&self, paths: &[String]) -> Result<Packages> {
        let mut packages = Packages::default();
        let mut known = BTreeMap::new();
        for path in paths {
            let package = self.passed(path, &[])?;
            let (parent, name) = package.path.rsplit_once('/').unwrap_or_default();
            let directory = match known.get(parent) {
                Some(directory) => *directory,
                None if known.len() == DIRECTORIES => {
                    let detail =
                        format_args!("the packages lie in more than {DIRECTORIES} directories");
                    return Err(invalid(path, detail));
                }
                None => {
                    packages.directories.push(self.directory(parent)?);
                    known.insert(parent.to_owned(), known.len());
                    known.len() - 1
                }
            };
            self.is_in(&packages.directories[directory], name, &package.file, path)?;
            let name = name.to_owned();
            packages.files.push(PackageFile { directory, name });
        }
        Ok(packages)
    }

    fn directory(&self, place: &str) -> Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        let located = self.locate(place)?;
        let opened = located.open_inside(located.rest, flags, Mode::empty());
        let directory = opened.map_err(|errno| from_errno(place, errno))?;
        // A link may have come in its way since the place was told.
        match self.place_of(&directory)? == place {
            true => Ok(directory),
            false => Err(from_errno(place, Errno::BUSY)),
        }
    }

    /// Fails unless the file is what has the name in the directory.
    fn is_in(&self, directory: &OwnedFd, name: &str, file: &OwnedFd, path: &str) -> Result<()> {
        let failed = |errno| from_errno(path, errno);
        let there =
            statat(directory, &*name_from_text(name), AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
        let file = fstat(file).map_err(failed)?;
        match (there.st_dev, there.st_ino) == (file.st_dev, file.st_ino) {
            true => Ok(()),
            false => Err(from_errno(path, Errno::BUSY)),
        }
    }

    /// Where an open object is, as a path of the contract: in the innermost granted directory that it is below.
    pub(crate) fn place_of(&self, file: &impl AsFd) -> Result<String> {
        let failed = |errno| from_errno("", errno);
        let object = host_path(file).map_err(failed)?;
        let place = self.place_of_path(&object).map_err(failed)?;
        place.ok_or_else(|| denied("", "lies outside of what this stage was granted"))
    }
}
