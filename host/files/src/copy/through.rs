//! Files that are copied to names of links: their content goes to where the links lead, as with cp.
use super::{Copy, Place};
use crate::FilesError;
use crate::error::At;
use rustix::fs::{AtFlags, FileType, Stat};
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

/// The name that a link leads to, in its open directory.
#[derive(Debug)]
pub struct Through {
    /// The directory.
    pub directory: OwnedFd,
    /// The name, which is no link.
    pub name: OsString,
}

impl Through {
    pub(super) fn place(&self) -> Place<'_> {
        Place {
            dir: self.directory.as_fd(),
            name: &self.name,
        }
    }
}

impl Copy<'_> {
    /// Where the link at the name of a file leads, if the file goes there.
    pub(super) fn through(
        &self,
        to: Place<'_>,
        source: &Stat,
    ) -> Result<Option<Through>, FilesError> {
        let Some(overseer) = self.options.overseer else {
            return Ok(None);
        };
        let is = |stat: &Stat, kind| FileType::from_raw_mode(stat.st_mode) == kind;
        let there = rustix::fs::statat(to.dir, to.name, AtFlags::SYMLINK_NOFOLLOW);
        if !is(source, FileType::RegularFile)
            || !there.is_ok_and(|stat| is(&stat, FileType::Symlink))
        {
            return Ok(None);
        }
        let found = match overseer.link(&self.path, to.dir, to.name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(self.conflict("a link that leads nowhere is there"));
            }
            found => found.at("write through the link", &self.target())?,
        };
        if let Some(through) = &found {
            let place = through.place();
            let stat = rustix::fs::statat(place.dir, place.name, AtFlags::SYMLINK_NOFOLLOW);
            let stat = stat.at("examine", &self.target())?;
            if (stat.st_dev, stat.st_ino) == (source.st_dev, source.st_ino) {
                return Err(self.conflict("the link there leads to what is to be copied"));
            }
            if !is(&stat, FileType::RegularFile) {
                return Err(self.conflict("the link there leads to no file"));
            }
        }
        Ok(found)
    }
}
