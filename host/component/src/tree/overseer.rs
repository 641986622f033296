//! Rights and limits of a copy, asked at each thing that it does.
use super::Result;
use super::errors::files_error;
use super::gate::{Gate, Permit};
use super::roots::{Located, Slot};
use crate::quota::StageQuota;
use osbuild_wasm_capability::{Coverage, Verb};
use osbuild_wasm_files::{CopyOptions, Overseer, Property, copy_object};
use rustix::fd::{AsFd, BorrowedFd};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::path::Path;

/// Watches over one copy to one place.
pub(super) struct Overseen<'a> {
    gate: &'a Gate,
    quota: &'a StageQuota,
    /// As it was asked for.
    asked: &'a str,
    /// Where the copy really goes; empty when nobody asks.
    place: String,
    reach: Coverage,
    /// Verbs that were needed beside `create` and `replace`.
    needed: RefCell<BTreeMap<Verb, Permit<'a>>>,
}

impl<'a> Overseen<'a> {
    /// A copy to a name, with all below it if `reach` says so.
    pub(super) fn new(target: &'a Slot<'_>, reach: Coverage) -> Result<Self> {
        let place = match target.located.gate.is_open() {
            true => String::new(),
            false => target.place()?,
        };
        Ok(Self::at(&target.located, place, reach))
    }

    /// A copy of metadata to an open object.
    pub(super) fn of(target: &'a Located<'_>, object: &impl AsFd) -> Result<Self> {
        let place = match target.gate.is_open() {
            true => String::new(),
            false => target.place(object)?,
        };
        Ok(Self::at(target, place, Coverage::Path))
    }

    fn at(located: &'a Located<'_>, place: String, reach: Coverage) -> Self {
        Self {
            gate: located.gate,
            quota: located.quota,
            asked: located.path,
            place,
            reach,
            needed: RefCell::default(),
        }
    }

    /// Options of a copy that asks this.
    pub(super) fn options(&self) -> CopyOptions<'_> {
        CopyOptions {
            overseer: Some(self),
            ..CopyOptions::default()
        }
    }

    /// Copies an object to the name.
    pub(super) fn copy(&self, object: BorrowedFd<'_>, target: &Slot<'_>) -> Result<()> {
        let (parent, name) = (target.parent.as_fd(), OsStr::new(target.name));
        copy_object(object, parent, name, self.options())
            .map(drop)
            .map_err(|error| files_error(self.asked, &error))
    }

    /// Tells that all of it happened.
    pub(super) fn done(self) {
        self.needed
            .into_inner()
            .into_values()
            .for_each(Permit::done);
    }

    fn need(&self, path: &Path, verb: Verb) -> Result<()> {
        if self.gate.is_open() {
            return Ok(());
        }
        let place = match path.as_os_str().is_empty() {
            true => self.place.clone(),
            false => format!("{}/{}", self.place, path.display()),
        };
        self.gate.allow(self.asked, verb, &place, Coverage::Path)?;
        self.needed
            .borrow_mut()
            .entry(verb)
            .or_insert_with(|| self.gate.permitted(verb, self.place.clone(), self.reach));
        Ok(())
    }
}

impl Overseer for Overseen<'_> {
    fn entry(&self, _: &Path) -> io::Result<()> {
        self.quota.take_inode(self.asked).map_err(io::Error::other)
    }

    fn bytes(&self, _: &Path, count: u64) -> io::Result<()> {
        let taken = self.quota.take_bytes(self.asked, count);
        taken.map_err(io::Error::other)
    }

    fn property(&self, path: &Path, property: Property) -> io::Result<()> {
        let verb = match property {
            Property::Mode => Verb::Chmod,
            Property::Owner => Verb::Chown,
            Property::Attribute => Verb::Xattr,
            Property::Node => Verb::Node,
        };
        self.need(path, verb).map_err(io::Error::other)
    }
}
