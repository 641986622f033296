//! Whether a verb may be done to a path, and word of what was done.
use super::errors::{denied, from_errno};
use super::roots::{Located, Slot, host_path, link_of, place_below};
use super::{Recorder, Result};
use crate::bindings::types::Error;
use osbuild_wasm_capability::{Coverage, Place, Refusal, Rights, Verb};
use osbuild_wasm_files::{Carried, FilesError, SET_ID};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, fstat, openat, statat};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// So many refusals are kept: enough to say what is missing, however often it is tried.
const KEPT: usize = 64;

/// The rights of one run, and who hears of their use.
pub(crate) struct Gate {
    module: String,
    rights: Rights,
    pub(super) recorder: Option<Arc<dyn Recorder>>,
    refused: Mutex<Vec<Refusal>>,
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate")
            .field("module", &self.module)
            .field("rights", &self.rights)
            .finish_non_exhaustive()
    }
}

/// Leave to do something, got on the very descriptor it is then done with.
#[must_use = "say `done` when it was done"]
pub(crate) struct Permit<'a>(Option<Pending<'a>>);

struct Pending<'a> {
    recorder: &'a dyn Recorder,
    verb: Verb,
    place: String,
    below: bool,
    done: bool,
}

impl Permit<'_> {
    /// Tells that it happened.
    pub(crate) fn done(self) {
        if let Some(mut pending) = self.0 {
            pending.done = true;
        }
    }
}

/// To allow just what is needed takes both.
impl Drop for Pending<'_> {
    fn drop(&mut self) {
        let (verb, place, below) = (self.verb, &self.place, self.below);
        match self.done {
            true => self.recorder.did(verb, place, below),
            false => self.recorder.tried(verb, place, below),
        }
    }
}

impl Gate {
    pub(crate) fn new(module: String, rights: Rights, recorder: Option<Arc<dyn Recorder>>) -> Self {
        Self {
            module,
            rights,
            recorder,
            refused: Mutex::default(),
        }
    }

    /// What was refused, each once.
    pub(crate) fn refused(&self) -> Vec<Refusal> {
        let refused = self.refused.lock();
        refused.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps a refusal, and makes it an error of the call.
    fn refuse(&self, asked: &str, refusal: Refusal) -> Error {
        let error = denied(asked, format_args!("{} {refusal}", self.module));
        let refused = self.refused.lock();
        let mut refused = refused.unwrap_or_else(PoisonError::into_inner);
        if refused.len() < KEPT && !refused.contains(&refusal) {
            refused.push(refusal);
        }
        error
    }

    /// Everything may be done and there is no recorder: where an object really is does not matter, so the kernel is not asked.
    pub(super) fn is_open(&self) -> bool {
        self.rights.is_everything() && self.recorder.is_none()
    }

    /// Whether a path that leads through a link is refused.
    pub(super) fn refuses_links(&self) -> bool {
        self.rights.refuses_links()
    }

    pub(super) fn permit(
        &self,
        asked: &str,
        verb: Verb,
        reach: Coverage,
        place: impl FnOnce() -> Result<Place>,
    ) -> Result<Permit<'_>> {
        if self.is_open() {
            return Ok(Permit(None));
        }
        let place = place()?;
        self.allow(asked, verb, &place, reach)?;
        Ok(self.permitted(verb, place.real, reach))
    }

    /// An error of the call, and a refusal that is kept, unless the rights allow it.
    pub(super) fn allow(
        &self,
        asked: &str,
        verb: Verb,
        place: &Place,
        reach: Coverage,
    ) -> Result<()> {
        self.rights
            .permit_at(verb, place, reach)
            .map_err(|refusal| self.refuse(asked, refusal))
    }

    /// Leave that [`Gate::allow`] gave.
    pub(super) fn permitted(&self, verb: Verb, place: String, reach: Coverage) -> Permit<'_> {
        Permit(self.recorder.as_deref().map(|recorder| Pending {
            recorder,
            verb,
            place,
            below: reach == Coverage::Below,
            done: false,
        }))
    }
}

/// An object, held by a handle that opens nothing.
pub(super) struct Object {
    pub(super) handle: OwnedFd,
    pub(super) stat: Stat,
}

impl Object {
    /// Everything below a directory, or one object.
    pub(super) fn reach(&self) -> Coverage {
        match self.is_directory() {
            true => Coverage::Below,
            false => Coverage::Path,
        }
    }

    pub(super) fn is_directory(&self) -> bool {
        FileType::from_raw_mode(self.stat.st_mode) == FileType::Directory
    }

    /// Whether it is what has the name now.
    pub(super) fn is_at(&self, slot: &Slot<'_>) -> bool {
        statat(&slot.parent, &*slot.file_name(), AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|there| (there.st_dev, there.st_ino) == (self.stat.st_dev, self.stat.st_ino))
    }

    /// What it, or what is below it, takes along to another name.
    pub(super) fn carried(&self) -> std::result::Result<Carried, FilesError> {
        match self.is_directory() {
            true => Carried::below(self.handle.as_fd()),
            false => Carried::of(self.handle.as_fd(), &self.stat),
        }
    }
}

impl Located<'_> {
    /// Where an open object really is, as a path of the contract: links and `..` on the way to it do not count.
    pub(super) fn place(&self, handle: &impl AsFd) -> Result<String> {
        let failed = |errno| from_errno(self.path, errno);
        let root = self.host().map_err(failed)?;
        let object = host_path(handle).map_err(failed)?;
        place_below(&self.contract, &root, &object)
            .ok_or_else(|| denied(self.path, "lies outside of what this stage was granted"))
    }

    /// The same, with the name by which it was asked for.
    pub(super) fn named_place(&self, handle: &impl AsFd) -> Result<Place> {
        let real = self.place(handle)?;
        let named = self.named();
        Ok(Place { real, named })
    }

    /// The name as it was asked for, as a path of the contract; none if it has `..`, so that the names in it say nothing.
    fn named(&self) -> Option<String> {
        let beneath = || format!("{}/{}", self.contract, self.rest);
        let asked = self.asked.map_or_else(beneath, str::to_owned);
        let parts = asked.split('/');
        let parts: Vec<_> = parts.filter(|part| !matches!(*part, "" | ".")).collect();
        (!parts.contains(&"..")).then(|| format!("/{}", parts.join("/")))
    }

    /// Leave to do `verb` to the open object alone.
    pub(crate) fn permit(&self, verb: Verb, handle: &impl AsFd) -> Result<Permit<'_>> {
        self.permit_reaching(verb, Coverage::Path, handle)
    }

    /// Leave to do `verb` to the open object, and all below it if `reach` says so.
    pub(super) fn permit_reaching(
        &self,
        verb: Verb,
        reach: Coverage,
        handle: &impl AsFd,
    ) -> Result<Permit<'_>> {
        self.gate
            .permit(self.path, verb, reach, || self.named_place(handle))
    }

    /// Leave to look at metadata: also of what may be written, and of directories that lead to something permitted.
    pub(crate) fn permit_stat(&self, directory: bool, handle: &impl AsFd) -> Result<Permit<'_>> {
        if self.gate.is_open() {
            return Ok(Permit(None));
        }
        let place = self.named_place(handle)?;
        let reach = if directory {
            Coverage::Above
        } else {
            Coverage::Path
        };
        if self.gate.rights.know(&place, reach) {
            let permit = self.gate.permitted(Verb::Read, place.real, Coverage::Path);
            return Ok(permit);
        }
        self.permit(Verb::Read, handle)
    }
}

impl Slot<'_> {
    /// Where the name really is, as a path of the contract.
    pub(super) fn place(&self) -> Result<String> {
        let parent = self.located.place(&self.parent)?;
        Ok(match self.name {
            "." => parent,
            name => format!("{parent}/{name}"),
        })
    }

    /// The same, with the name by which it was asked for: of a directory that the name is put into, or the name itself.
    pub(super) fn named_place(&self) -> Result<Place> {
        let named = self.located.named().map(|named| match self.name {
            name if self.is_inside && name != "." => format!("{named}/{name}"),
            _ => named,
        });
        let real = self.place()?;
        Ok(Place { real, named })
    }

    /// A path by which the kernel reaches the name through the open directory.
    pub(super) fn path(&self) -> PathBuf {
        Path::new(&link_of(&self.parent)).join(self.file_name())
    }

    /// What has the name now, links not followed.
    fn kind(&self) -> Option<FileType> {
        let stat = statat(&self.parent, &*self.file_name(), AtFlags::SYMLINK_NOFOLLOW).ok()?;
        Some(FileType::from_raw_mode(stat.st_mode))
    }

    /// Opens what has the name now, links not followed: what is decided about it is then done to it, whatever has the name by then.
    pub(super) fn object(&self) -> Result<Object> {
        let failed = |errno| from_errno(self.located.path, errno);
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let handle =
            openat(&self.parent, &*self.file_name(), flags, Mode::empty()).map_err(failed)?;
        let stat = fstat(&handle).map_err(failed)?;
        Ok(Object { handle, stat })
    }

    /// Leave to do `verb` to the name alone.
    pub(crate) fn permit(&self, verb: Verb) -> Result<Permit<'_>> {
        self.permit_reaching(verb, Coverage::Path)
    }

    /// Leave to do `verb` to the name, and all below it if `reach` says so.
    pub(super) fn permit_reaching(&self, verb: Verb, reach: Coverage) -> Result<Permit<'_>> {
        let Located { gate, path, .. } = &self.located;
        gate.permit(path, verb, reach, || self.named_place())
    }

    /// Leave to make a directory: one that may be created, or that leads to something that may be.
    pub(super) fn permit_directory(&self) -> Result<Permit<'_>> {
        self.permit_reaching(Verb::Create, Coverage::Above)
    }

    /// Leave to put something into the name's place, a directory's content included if `reach` says so.
    pub(super) fn permit_placing(&self, reach: Coverage) -> Result<Vec<Permit<'_>>> {
        if self.located.gate.is_open() {
            return Ok(Vec::new());
        }
        let verbs: &[Verb] = match (self.kind(), reach) {
            (None, _) => &[Verb::Create],
            (Some(FileType::Directory), Coverage::Below) => &[Verb::Create, Verb::Replace],
            (Some(_), _) => &[Verb::Replace],
        };
        verbs
            .iter()
            .map(|verb| self.permit_reaching(*verb, reach))
            .collect()
    }

    /// Leave to make a new object with this mode: set-id bits take more than `create`.
    pub(crate) fn permit_new(&self, mode: u32) -> Result<Vec<Permit<'_>>> {
        let mut permits = vec![self.permit(Verb::Create)?];
        permits.extend(self.permit_set_id(mode)?);
        Ok(permits)
    }

    /// Leave to give a new object set-id bits, if the mode has some.
    pub(super) fn permit_set_id(&self, mode: u32) -> Result<Option<Permit<'_>>> {
        let set_id = mode & SET_ID != 0;
        set_id.then(|| self.permit(Verb::Chmod)).transpose()
    }

    /// Leave to give the name to an object that is there, with what it takes along: it takes the verbs by which a new object would get
    /// the same.
    pub(super) fn permit_carrying(
        &self,
        carried: &Carried,
        reach: Coverage,
    ) -> Result<Vec<Permit<'_>>> {
        let verbs = [
            (carried.mode, Verb::Chmod),
            (carried.owner, Verb::Chown),
            (carried.attributes, Verb::Xattr),
            (carried.node, Verb::Node),
        ];
        let needed = verbs.into_iter().filter(|(needed, _)| *needed);
        needed
            .map(|(_, verb)| self.permit_reaching(verb, reach))
            .collect()
    }

    /// Refuses unless what may be changed under one of two names may be changed under the other: who may write through one of them
    /// writes what the other leads to.
    pub(super) fn changes_alike(&self, other: &Slot<'_>, reach: Coverage) -> Result<()> {
        let gate = self.located.gate;
        if gate.rights.is_everything() {
            return Ok(());
        }
        let somewhere = match reach {
            Coverage::Below => Coverage::Above,
            _ => Coverage::Path,
        };
        let places = (self.named_place()?, other.named_place()?);
        for verb in [Verb::Replace, Verb::Chmod, Verb::Chown, Verb::Xattr] {
            let may = |place: &str| gate.rights.permit(verb, place, somewhere).is_ok();
            if may(&places.0.real) {
                gate.allow(other.located.path, verb, &places.1, reach)?;
            }
            if may(&places.1.real) {
                gate.allow(self.located.path, verb, &places.0, reach)?;
            }
        }
        Ok(())
    }
}
