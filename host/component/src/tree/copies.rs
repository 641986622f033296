//! The verb `copy`.
use super::Result;
use super::errors::{failed, from_errno};
use super::gate::Permit;
use super::names::is_directory;
use super::roots::{Located, Roots, Slot, link_of};
use crate::bindings::tree::{CopyOptions, OpenMode};
use crate::bindings::types::Error;
use osbuild_wasm_capability::{Coverage, Verb};
use osbuild_wasm_files::{
    CopyOptions as Options, FilesError, copy, copy_metadata, copy_opened, copy_tree, remove_tree,
};
use rustix::fd::AsFd;
use rustix::fs::{AtFlags, Stat, fstat, statat};
use rustix::io::Errno;
use std::path::Path;

impl Roots {
    pub(super) fn copy(&self, source: &str, to: &str, options: CopyOptions) -> Result<()> {
        self.locate(to)?.writable()?;
        let from = self.locate(source)?;
        let contents = source.ends_with("/.") || source.ends_with('/') || from.rest == ".";
        if options.follow {
            return self.copy_following(source, &self.destination(source, to, contents)?);
        }
        if contents {
            return self.copy_contents(&from, to);
        }
        let from = from.slot()?;
        let target = self.copy_target(from.name, to, false)?;
        let read = from.permit_whole(Verb::Read)?;
        let place = target.permit_placing(from.reach())?;
        let object = statat(&from.parent, from.name, AtFlags::SYMLINK_NOFOLLOW);
        refuse_same(to, object, &target)?;
        if options.remove_destination {
            // Files are replaced, which `place` allows; a whole directory goes only if it may be removed.
            let remove = match target.reach() {
                Coverage::Below => Some(target.permit_whole(Verb::Remove)?),
                _ => None,
            };
            remove_tree(&target.path()).map_err(|error| copy_error(to, &error))?;
            remove.into_iter().for_each(Permit::done);
        }
        copy(&from.path(), &target.path(), Options::default())
            .map_err(|error| copy_error(to, &error))?;
        read.done();
        place.into_iter().for_each(Permit::done);
        Ok(())
    }

    fn copy_contents(&self, from: &Located<'_>, to: &str) -> Result<()> {
        let handle = from
            .path_fd(true)
            .map_err(|errno| from_errno(from.path, errno))?;
        let target = self.copy_target("", to, true)?;
        let read = from.permit_reaching(Verb::Read, Coverage::Below, &handle)?;
        let place = target.permit_placing(Coverage::Below)?;
        let source = Path::new(&link_of(&handle)).join(".");
        refuse_same(to, fstat(&handle), &target)?;
        copy_tree(&source, &target.path(), Options::default())
            .map_err(|error| copy_error(to, &error))?;
        read.done();
        place.into_iter().for_each(Permit::done);
        Ok(())
    }

    /// An existing directory takes a copy under the source's name, or the content; otherwise `to` is the new name.
    fn copy_target<'a>(&'a self, name: &'a str, to: &'a str, contents: bool) -> Result<Slot<'a>> {
        let located = self.locate(to)?;
        match located.path_fd(true).ok().filter(is_directory) {
            Some(parent) => Ok(Slot {
                parent,
                name: if contents { "." } else { name },
                located,
            }),
            None => located.slot(),
        }
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
        let located = self.locate(source)?;
        let handle = located
            .path_fd(true)
            .map_err(|errno| from_errno(source, errno))?;
        if !is_directory(&handle) {
            let file = self.open(source, OpenMode::Read, 0)?;
            let target = self.copy_target("", to, false)?;
            let place = target.permit_placing(Coverage::Path)?;
            refuse_same(to, fstat(file.descriptor()), &target)?;
            copy_opened(file.descriptor(), &target.path(), Options::default())
                .map_err(|error| copy_error(to, &error))?;
            place.into_iter().for_each(Permit::done);
            return Ok(());
        }
        let existed = match self.create_directory(to, 0o700) {
            Err(error) if error.code != crate::ErrorCode::Exists => return Err(error),
            created => created.is_err(),
        };
        for entry in self.read_directory(source)? {
            self.copy_following(
                &format!("{source}/{}", entry.name),
                &format!("{to}/{}", entry.name),
            )?;
        }
        let target = self.locate(to)?;
        let made = target
            .path_fd(true)
            .map_err(|errno| from_errno(to, errno))?;
        let verb = if existed { Verb::Replace } else { Verb::Create };
        let permit = target.permit(verb, &made)?;
        copy_metadata(handle.as_fd(), made.as_fd(), Options::default())
            .map_err(|error| copy_error(to, &error))?;
        permit.done();
        Ok(())
    }
}

/// Refuses to copy an object onto itself, which would begin by emptying it. What cannot be looked at is left to the copy.
fn refuse_same(
    to: &str,
    source: std::result::Result<Stat, Errno>,
    target: &Slot<'_>,
) -> Result<()> {
    let there = statat(&target.parent, target.name, AtFlags::SYMLINK_NOFOLLOW);
    match (source, there) {
        (Ok(source), Ok(there))
            if (source.st_dev, source.st_ino) == (there.st_dev, there.st_ino) =>
        {
            Err(failed(to, &"it is the same as what is to be copied"))
        }
        _ => Ok(()),
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
