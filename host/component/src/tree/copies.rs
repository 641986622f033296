//! The verb `copy`.
use super::Result;
use super::errors::{failed, files_error, from_errno};
use super::gate::Permit;
use super::names::is_directory;
use super::overseer::Overseen;
use super::roots::{Located, Roots, Slot, Unset};
use crate::bindings::tree::{CopyOptions, OpenMode};
use osbuild_wasm_capability::{Coverage, Verb};
use osbuild_wasm_files::copy_metadata;
use rustix::fd::AsFd;
use rustix::fs::{AtFlags, Stat, fstat, statat};
use rustix::io::Errno;
use std::sync::PoisonError;

/// Directories that are nested in a copy that follows links.
const DEPTH: usize = 128;

impl Roots {
    /// Attributes that copies could not set since this was asked the last time.
    pub(super) fn take_unset(&self) -> Vec<Unset> {
        let mut unset = self.unset.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *unset)
    }

    pub(super) fn copy(&self, source: &str, to: &str, options: CopyOptions) -> Result<()> {
        self.locate(to)?.writable()?;
        let from = self.locate(source)?;
        let contents = source.ends_with("/.") || source.ends_with('/') || from.rest == ".";
        if options.follow {
            return self.copy_following(source, &self.destination(source, to, contents)?, DEPTH);
        }
        if contents {
            return self.copy_contents(&from, to, !options.remove_destination);
        }
        let from = from.slot()?;
        let target = self.copy_target(from.name, to, false)?;
        let object = from.object()?;
        let reach = object.reach();
        let read = from.permit_reaching(Verb::Read, reach)?;
        let place = target.permit_placing(reach)?;
        refuse_same(to, &object.stat, &target)?;
        let overseen = Overseen::new(&target, reach, !options.remove_destination)?;
        overseen.copy(object.handle.as_fd(), &target)?;
        overseen.done();
        read.done();
        place.into_iter().for_each(Permit::done);
        Ok(())
    }

    fn copy_contents(&self, from: &Located<'_>, to: &str, through_links: bool) -> Result<()> {
        let handle = from
            .path_fd(true)
            .map_err(|errno| from_errno(from.path, errno))?;
        let target = self.copy_target("", to, true)?;
        let read = from.permit_reaching(Verb::Read, Coverage::Below, &handle)?;
        let place = target.permit_placing(Coverage::Below)?;
        let stat = fstat(&handle).map_err(|errno| from_errno(from.path, errno))?;
        refuse_same(to, &stat, &target)?;
        let overseen = Overseen::new(&target, Coverage::Below, through_links)?;
        overseen.copy(handle.as_fd(), &target)?;
        overseen.done();
        read.done();
        place.into_iter().for_each(Permit::done);
        Ok(())
    }

    /// An existing directory takes a copy under the source's name, or the content; otherwise `to` is the new name.
    fn copy_target<'a>(&'a self, name: &'a str, to: &'a str, contents: bool) -> Result<Slot<'a>> {
        let located = self.locate(to)?;
        match located.existing_directory()? {
            Some(parent) => Ok(Slot {
                parent,
                name: if contents { "." } else { name },
                is_inside: true,
                located,
            }),
            None => located.slot(),
        }
    }

    /// Where a copy will be.
    pub(super) fn destination_of(&self, source: &str, to: &str) -> Result<String> {
        let from = self.locate(source)?;
        let contents = source.ends_with("/.") || source.ends_with('/') || from.rest == ".";
        self.destination(source, to, contents)
    }

    /// The same as a contract path.
    fn destination(&self, source: &str, to: &str, contents: bool) -> Result<String> {
        let existing = self.locate(to)?.existing_directory()?;
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

    /// Copies what links lead to; every link is resolved inside the granted directory that it is in. Links may lead in a circle, or to
    /// where the copy goes: `depth` ends that.
    fn copy_following(&self, source: &str, to: &str, depth: usize) -> Result<()> {
        let located = self.locate(source)?;
        let handle = located
            .path_fd(true)
            .map_err(|errno| from_errno(source, errno))?;
        if !is_directory(&handle) {
            return self.copy_file(source, to);
        }
        let Some(depth) = depth.checked_sub(1) else {
            return Err(from_errno(source, Errno::LOOP));
        };
        let existed = match self.create_directory(to, 0o700) {
            Err(error) if error.code != crate::ErrorCode::Exists => return Err(error),
            created => created.is_err(),
        };
        for entry in self.read_directory(source)? {
            self.copy_following(
                &format!("{source}/{}", entry.name),
                &format!("{to}/{}", entry.name),
                depth,
            )?;
        }
        let target = self.locate(to)?;
        let made = target
            .path_fd(true)
            .map_err(|errno| from_errno(to, errno))?;
        let verb = if existed { Verb::Replace } else { Verb::Create };
        let permit = target.permit(verb, &made)?;
        let overseen = Overseen::of(&target, &made)?;
        overseen
            .watch(|options| copy_metadata(handle.as_fd(), made.as_fd(), !existed, options))
            .map_err(|error| files_error(to, &error))?;
        overseen.done();
        permit.done();
        Ok(())
    }

    fn copy_file(&self, source: &str, to: &str) -> Result<()> {
        let file = self.open(source, OpenMode::Read, 0)?;
        let target = self.copy_target("", to, false)?;
        let place = target.permit_placing(Coverage::Path)?;
        let stat = fstat(file.descriptor()).map_err(|errno| from_errno(source, errno))?;
        refuse_same(to, &stat, &target)?;
        let overseen = Overseen::new(&target, Coverage::Path, true)?;
        overseen.copy(file.descriptor(), &target)?;
        overseen.done();
        place.into_iter().for_each(Permit::done);
        Ok(())
    }
}

/// Refuses to copy an object onto itself, which would begin by emptying it.
fn refuse_same(to: &str, source: &Stat, target: &Slot<'_>) -> Result<()> {
    match statat(
        &target.parent,
        &*target.file_name(),
        AtFlags::SYMLINK_NOFOLLOW,
    ) {
        Ok(there) if (source.st_dev, source.st_ino) == (there.st_dev, there.st_ino) => {
            Err(failed(to, &"it is the same as what is to be copied"))
        }
        _ => Ok(()),
    }
}
