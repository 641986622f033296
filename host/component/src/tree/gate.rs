//! Whether a verb may be done to a path, and word of what was done.
use super::errors::{denied, from_errno};
use super::roots::{Located, Slot, host_path, link_of, place_below};
use super::{Recorder, Result};
use crate::bindings::types::Error;
use osbuild_wasm_capability::{Coverage, Refusal, Rights, Verb};
use rustix::fd::AsFd;
use rustix::fs::{AtFlags, FileType, statat};
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

/// Whoever wants to allow just what is needed has to know of both.
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

    /// Everything may be done and nobody listens: where an object really is does not matter, so nobody asks the kernel.
    pub(super) fn is_open(&self) -> bool {
        self.rights.is_everything() && self.recorder.is_none()
    }

    pub(super) fn permit(
        &self,
        asked: &str,
        verb: Verb,
        reach: Coverage,
        place: impl FnOnce() -> Result<String>,
    ) -> Result<Permit<'_>> {
        if self.is_open() {
            return Ok(Permit(None));
        }
        let place = place()?;
        self.rights
            .permit(verb, &place, reach)
            .map_err(|refusal| self.refuse(asked, refusal))?;
        Ok(self.permitted(verb, place, reach))
    }

    fn permitted(&self, verb: Verb, place: String, reach: Coverage) -> Permit<'_> {
        Permit(self.recorder.as_deref().map(|recorder| Pending {
            recorder,
            verb,
            place,
            below: reach == Coverage::Below,
            done: false,
        }))
    }
}

/// Everything below a directory, or one object.
pub(super) fn reach_of(directory: bool) -> Coverage {
    if directory {
        Coverage::Below
    } else {
        Coverage::Path
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
            .permit(self.path, verb, reach, || self.place(handle))
    }

    /// Leave to look at metadata: also of what may be written, and of directories that lead to something permitted.
    pub(crate) fn permit_stat(&self, directory: bool, handle: &impl AsFd) -> Result<Permit<'_>> {
        if self.gate.is_open() {
            return Ok(Permit(None));
        }
        let place = self.place(handle)?;
        let reach = if directory {
            Coverage::Above
        } else {
            Coverage::Path
        };
        if self.gate.rights.know(&place, reach) {
            return Ok(self.gate.permitted(Verb::Read, place, Coverage::Path));
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

    /// A path by which the kernel reaches the name through the open directory.
    pub(super) fn path(&self) -> PathBuf {
        Path::new(&link_of(&self.parent)).join(self.name)
    }

    /// What has the name now, links not followed.
    pub(super) fn kind(&self) -> Option<FileType> {
        let stat = statat(&self.parent, self.name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        Some(FileType::from_raw_mode(stat.st_mode))
    }

    /// Leave to do `verb` to the name alone.
    pub(crate) fn permit(&self, verb: Verb) -> Result<Permit<'_>> {
        self.permit_reaching(verb, Coverage::Path)
    }

    /// Leave to do `verb` to the name, and all below it if `reach` says so.
    pub(super) fn permit_reaching(&self, verb: Verb, reach: Coverage) -> Result<Permit<'_>> {
        let Located { gate, path, .. } = &self.located;
        gate.permit(path, verb, reach, || self.place())
    }

    /// Leave to do `verb` to the name, and to all below it when it is a directory.
    pub(super) fn permit_whole(&self, verb: Verb) -> Result<Permit<'_>> {
        self.permit_reaching(verb, self.reach())
    }

    /// All below it when it is a directory. Asks the kernel only when that matters.
    pub(super) fn reach(&self) -> Coverage {
        reach_of(!self.located.gate.is_open() && self.kind() == Some(FileType::Directory))
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

    /// Refuses when one of the verbs may be done to an object under its new name but not under this one.
    pub(super) fn gains_nothing(&self, new: &Slot<'_>, verbs: &[Verb]) -> Result<()> {
        let gate = self.located.gate;
        if gate.rights.is_everything() {
            return Ok(());
        }
        let new = new.place()?;
        let (reach, gained) = match self.kind() {
            Some(FileType::Directory) => (Coverage::Below, Coverage::Above),
            _ => (Coverage::Path, Coverage::Path),
        };
        let gains = |verb: &&Verb| gate.rights.permit(**verb, &new, gained).is_ok();
        verbs
            .iter()
            .filter(gains)
            .try_for_each(|verb| self.permit_reaching(*verb, reach).map(drop))
    }
}
