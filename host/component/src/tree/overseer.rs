//! Rights and limits of a copy, asked at each thing that it does.
use super::Result;
use super::errors::{failed, files_error, from_errno};
use super::gate::{Gate, Permit};
use super::roots::{Located, Slot, Unset};
use crate::ErrorCode;
use crate::quota::StageQuota;
use osbuild_wasm_capability::{Coverage, Place, Verb};
use osbuild_wasm_files::{
    CopyOptions, FilesError, Overseer, Property, Through, copy_object, name_from_text, name_to_text,
};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{Mode, OFlags, readlinkat};
use rustix::io::Errno;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Watches over one copy to one place.
pub(super) struct Overseen<'a> {
    gate: &'a Gate,
    quota: &'a StageQuota,
    located: &'a Located<'a>,
    /// As it was asked for.
    asked: &'a str,
    /// Where the copy really goes; none when it is not asked for.
    place: Option<Place>,
    reach: Coverage,
    /// Files are written to where links at their names lead, as cp does; otherwise links are replaced.
    through_links: bool,
    /// The entry at hand, and what the link at its name leads to.
    led: RefCell<Option<(PathBuf, Place)>>,
    /// Verbs that were needed beside `create` and `replace`.
    needed: RefCell<BTreeMap<Verb, Permit<'a>>>,
}

impl<'a> Overseen<'a> {
    /// A copy to a name, with all below it if `reach` says so.
    pub(super) fn new(target: &'a Slot<'_>, reach: Coverage, through_links: bool) -> Result<Self> {
        let asks = !target.located.gate.is_open();
        let place = asks.then(|| target.named_place()).transpose()?;
        Ok(Self {
            through_links,
            ..Self::at(&target.located, place, reach)
        })
    }

    /// A copy of metadata to an open object.
    pub(super) fn of(target: &'a Located<'_>, object: &impl AsFd) -> Result<Self> {
        let asks = !target.gate.is_open();
        let place = asks.then(|| target.named_place(object)).transpose()?;
        Ok(Self::at(target, place, Coverage::Path))
    }

    fn at(located: &'a Located<'_>, place: Option<Place>, reach: Coverage) -> Self {
        Self {
            gate: located.gate,
            quota: located.quota,
            located,
            asked: located.path,
            place,
            reach,
            through_links: false,
            led: RefCell::default(),
            needed: RefCell::default(),
        }
    }

    /// Keeps an attribute that this process may not set, for the helper that may.
    fn keep_unset(&self, object: BorrowedFd<'_>, name: &OsStr, value: &[u8]) -> io::Result<()> {
        let place = self.located.place(&object).map_err(io::Error::other)?;
        let mut unset = self.located.unset.lock();
        unset
            .as_mut()
            .unwrap_or_else(|poisoned| poisoned.get_mut())
            .push(Unset {
                place,
                name: name_to_text(name.as_bytes()),
                value: value.to_owned(),
            });
        Ok(())
    }

    /// A copy that asks this.
    pub(super) fn watch<T>(
        &self,
        copy: impl FnOnce(CopyOptions<'_>) -> std::result::Result<T, FilesError>,
    ) -> std::result::Result<T, FilesError> {
        copy(CopyOptions {
            overseer: Some(self),
            set_xattr: Some(&|object, name, value| self.keep_unset(object, name, value)),
            ..CopyOptions::default()
        })
    }

    /// Copies an object to the name.
    pub(super) fn copy(&self, object: BorrowedFd<'_>, target: &Slot<'_>) -> Result<()> {
        let name = target.file_name();
        self.watch(|options| copy_object(object, target.parent.as_fd(), &name, options))
            .map(drop)
            .map_err(|error| match &error {
                FilesError::Conflict { path, problem } => failed(&shown(target, path), problem),
                _ => files_error(self.asked, &error),
            })
    }

    /// Tells that all of it happened.
    pub(super) fn done(self) {
        self.needed
            .into_inner()
            .into_values()
            .for_each(Permit::done);
    }

    fn need(&self, path: &Path, verb: Verb) -> Result<()> {
        let Some(own) = &self.place else {
            return Ok(());
        };
        let led = self.led.borrow();
        let led = led.as_ref().filter(|(entry, _)| entry == path);
        if let Some((_, place)) = led {
            self.gate.allow(self.asked, verb, place, Coverage::Path)?;
            self.gate
                .permitted(verb, place.real.clone(), Coverage::Path)
                .done();
            return Ok(());
        }
        let place = match path.as_os_str().is_empty() {
            true => own.clone(),
            false => own.join(&text_of(path)),
        };
        self.gate.allow(self.asked, verb, &place, Coverage::Path)?;
        self.needed
            .borrow_mut()
            .entry(verb)
            .or_insert_with(|| self.gate.permitted(verb, own.real.clone(), self.reach));
        Ok(())
    }

    /// Where the link leads, inside of the granted directory.
    fn follow(&self, path: &Path, directory: BorrowedFd<'_>, text: &str) -> Result<Through> {
        let failed = |errno| from_errno(self.asked, errno);
        let located = self.located;
        let root = &*located.contract;
        let from = match text.starts_with('/') {
            true => root.to_owned(),
            false => located.place(&directory)?,
        };
        let rest = |place: &str| place.strip_prefix(root).unwrap_or(place).to_owned();
        let target = format!("{from}/{text}");
        let flags = OFlags::PATH;
        let found = located.open_inside(&rest(&target), flags, Mode::empty());
        let found = found.map_err(failed)?;
        let real = located.place(&found)?;
        let (parent, name) = real.rsplit_once('/').unwrap_or(("", &real));
        let parent = located.open_inside(
            &format!("{}/.", rest(parent)),
            flags | OFlags::DIRECTORY,
            Mode::empty(),
        );
        let through = Through {
            directory: parent.map_err(failed)?,
            name: name_from_text(name).into_owned(),
        };
        if let Some(own) = &self.place {
            let named = own.join(&text_of(path)).named;
            let named = match path.as_os_str().is_empty() {
                true => own.named.clone(),
                false => named,
            };
            let place = Place { real, named };
            let verb = Verb::Replace;
            self.gate.allow(self.asked, verb, &place, Coverage::Path)?;
            self.gate
                .permitted(verb, place.real.clone(), Coverage::Path)
                .done();
            *self.led.borrow_mut() = Some((path.to_owned(), place));
        }
        Ok(through)
    }
}

/// The path of the contract of something that a copy met.
fn shown(target: &Slot<'_>, met: &Path) -> String {
    // A copy calls what it makes by the name of the slot.
    let below = met.strip_prefix(&*target.file_name()).unwrap_or(met);
    let asked = Path::new(target.located.path);
    let top = match target.is_inside && target.name != "." {
        true => asked.join(target.name),
        false => asked.to_owned(),
    };
    let path: PathBuf = top.join(text_of(below)).components().collect();
    text_of(&path)
}

fn text_of(path: &Path) -> String {
    name_to_text(path.as_os_str().as_bytes())
}

impl Overseer for Overseen<'_> {
    fn entry(&self, _: &Path) -> io::Result<()> {
        self.quota.take_inode(self.asked).map_err(io::Error::other)
    }

    fn link(
        &self,
        path: &Path,
        directory: BorrowedFd<'_>,
        name: &OsStr,
    ) -> io::Result<Option<Through>> {
        if !self.through_links {
            return Ok(None);
        }
        if self.gate.refuses_links() {
            let error = from_errno(&text_of(&Path::new(self.asked).join(path)), Errno::LOOP);
            return Err(io::Error::other(error));
        }
        let text = readlinkat(directory, name, Vec::new())?;
        self.follow(path, directory, &name_to_text(text.as_bytes()))
            .map(Some)
            .map_err(|error| match error.code {
                ErrorCode::NotFound => io::ErrorKind::NotFound.into(),
                _ => io::Error::other(error),
            })
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
