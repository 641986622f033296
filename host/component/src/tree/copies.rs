//! The verb `copy`.
use super::Result;
use super::errors::{failed, from_errno};
use super::names::is_directory;
use super::roots::{Roots, link_of};
use crate::bindings::tree::{CopyOptions, OpenMode};
use crate::bindings::types::Error;
use osbuild_wasm_files::{
    CopyOptions as Options, FilesError, copy, copy_metadata, copy_opened, copy_tree,
};
use rustix::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

/// Where a copy goes: a path through an open directory, which must stay open meanwhile.
struct Target {
    path: PathBuf,
    _directory: OwnedFd,
}

impl Roots {
    pub(super) fn copy(&self, source: &str, to: &str, options: CopyOptions) -> Result<()> {
        self.locate(to)?.writable()?;
        let from = self.locate(source)?;
        let contents = source.ends_with("/.") || source.ends_with('/') || from.rest == ".";
        if options.follow {
            return self.copy_following(source, &self.destination(source, to, contents)?);
        }
        if contents {
            let handle = from
                .path_fd(true)
                .map_err(|errno| from_errno(source, errno))?;
            let to_path = self.copy_target("", to, true)?;
            return copy_tree(
                &Path::new(&link_of(&handle)).join("."),
                &to_path.path,
                Options::default(),
            )
            .map(drop)
            .map_err(|error| copy_error(to, &error));
        }
        let slot = from.slot()?;
        let to_path = self.copy_target(slot.name, to, false)?;
        if options.remove_destination {
            osbuild_wasm_files::remove_tree(&to_path.path)
                .map_err(|error| copy_error(to, &error))?;
        }
        let from_path = Path::new(&link_of(&slot.parent)).join(slot.name);
        copy(&from_path, &to_path.path, Options::default())
            .map(drop)
            .map_err(|error| copy_error(to, &error))
    }

    /// An existing directory takes a copy under the source's name, or the content; otherwise `to` is the new name.
    fn copy_target(&self, name: &str, to: &str, contents: bool) -> Result<Target> {
        let located = self.locate(to)?;
        let existing = located.path_fd(true).ok().filter(is_directory);
        Ok(match existing {
            Some(handle) => {
                let path = Path::new(&link_of(&handle)).join(if contents { "." } else { name });
                Target {
                    path,
                    _directory: handle,
                }
            }
            None => {
                let slot = located.slot()?;
                Target {
                    path: Path::new(&link_of(&slot.parent)).join(slot.name),
                    _directory: slot.parent,
                }
            }
        })
    }

    /// The same as a contract path.
    fn destination(&self, source: &str, to: &str, contents: bool) -> Result<String> {
        let existing = self.locate(to)?.path_fd(true).ok().filter(is_directory);
        let name = source
            .trim_end_matches('/')
            .rsplit('/')
            .next()
            .unwrap_or_default();
        Ok(match existing {
            Some(_) if !contents => format!("{}/{name}", to.trim_end_matches('/')),
            _ => to.to_owned(),
        })
    }

    /// Copies what links lead to; every link is resolved inside the granted directory that it is in.
    fn copy_following(&self, source: &str, to: &str) -> Result<()> {
        let handle = self
            .locate(source)?
            .path_fd(true)
            .map_err(|errno| from_errno(source, errno))?;
        if !is_directory(&handle) {
            let file = self.open(source, OpenMode::Read, 0)?;
            let target = self.copy_target("", to, false)?;
            return copy_opened(file.descriptor(), &target.path, Options::default())
                .map(drop)
                .map_err(|error| copy_error(to, &error));
        }
        match self.create_directory(to, 0o700) {
            Err(error) if error.code != crate::ErrorCode::Exists => return Err(error),
            _ => {}
        }
        for entry in self.read_directory(source)? {
            self.copy_following(
                &format!("{source}/{}", entry.name),
                &format!("{to}/{}", entry.name),
            )?;
        }
        let made = self
            .locate(to)?
            .path_fd(true)
            .map_err(|errno| from_errno(to, errno))?;
        copy_metadata(handle.as_fd(), made.as_fd(), Options::default())
            .map(drop)
            .map_err(|error| copy_error(to, &error))
    }
}

/// The error in the contract's terms; paths of the host do not leave it.
fn copy_error(to: &str, error: &FilesError) -> Error {
    match error.io().and_then(std::io::Error::raw_os_error) {
        Some(errno) => from_errno(to, rustix::io::Errno::from_raw_os_error(errno)),
        None => failed(
            to,
            &"a directory cannot take the place of something else, nor the other way round",
        ),
    }
}
