//! What both doors do with names: look, change, make, link, move, remove.
use super::Result;
use super::errors::{files_error, from_errno};
use super::gate::{Object, Permit};
use super::roots::{Located, Slot, link_of};
use osbuild_wasm_capability::{Coverage, Verb};
use osbuild_wasm_files::{name_from_text, name_to_text};
use rustix::fd::OwnedFd;
use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, Stat, fstat, linkat, mkdirat, openat, readlinkat,
    renameat, symlinkat, unlinkat,
};
use rustix::io::Errno;

impl<'a> Located<'a> {
    /// Reads something of an object.
    pub(crate) fn look<T>(
        &self,
        follow: bool,
        call: impl FnOnce(&OwnedFd) -> rustix::io::Result<T>,
    ) -> Result<T> {
        let failed = |errno| from_errno(self.path, errno);
        let handle = self.path_fd(follow).map_err(failed)?;
        let permit = self.permit(Verb::Read, &handle)?;
        let found = call(&handle).map_err(failed)?;
        permit.done();
        Ok(found)
    }

    /// Changes an object that is there.
    pub(crate) fn change(
        &self,
        follow: bool,
        verb: Verb,
        call: impl FnOnce(&OwnedFd) -> rustix::io::Result<()>,
    ) -> Result<()> {
        self.writable()?;
        let failed = |errno| from_errno(self.path, errno);
        let handle = self.path_fd(follow).map_err(failed)?;
        let permit = self.permit(verb, &handle)?;
        call(&handle).map_err(failed)?;
        permit.done();
        Ok(())
    }

    /// Makes something under a new name.
    pub(crate) fn make(
        self,
        verb: Verb,
        call: impl FnOnce(&Slot<'_>) -> rustix::io::Result<()>,
    ) -> Result<()> {
        let slot = self.new_slot()?;
        let permit = slot.permit(verb)?;
        slot.made(call)?;
        permit.done();
        Ok(())
    }

    fn new_slot(self) -> Result<Slot<'a>> {
        self.writable()?;
        // The directory itself is there, whatever is to be made.
        if self.rest == "." {
            Err(from_errno(self.path, Errno::EXIST))
        } else {
            self.slot()
        }
    }

    pub(crate) fn examine(&self, follow: bool) -> Result<Stat> {
        let failed = |errno| from_errno(self.path, errno);
        let handle = self.path_fd(follow).map_err(failed)?;
        let stat = fstat(&handle).map_err(failed)?;
        let directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        self.permit_stat(directory, &handle)?.done();
        Ok(stat)
    }

    pub(crate) fn create_directory(self, mode: u32) -> Result<()> {
        let slot = self.new_slot()?;
        let permit = slot.permit_directory()?;
        let set_id = slot.permit_set_id(mode)?;
        let failed = |errno| from_errno(slot.located.path, errno);
        let bits = Mode::from_raw_mode(mode & 0o777);
        slot.made(|slot| mkdirat(&slot.parent, &*slot.file_name(), bits))?;
        // mkdir(2) leaves set-id and sticky bits to the file system.
        if mode & 0o7000 != 0 {
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let made =
                openat(&slot.parent, &*slot.file_name(), flags, Mode::empty()).map_err(failed)?;
            set_mode(&made, mode).map_err(failed)?;
        }
        permit.done();
        set_id.into_iter().for_each(Permit::done);
        Ok(())
    }

    pub(crate) fn read_link(&self) -> Result<String> {
        let text = self.look(false, |handle| {
            readlinkat(handle, "", Vec::new()).map_err(|errno| match errno {
                Errno::NOENT => Errno::INVAL,
                other => other,
            })
        })?;
        Ok(name_to_text(text.as_bytes()))
    }

    pub(crate) fn symbolic_link(self, text: &str) -> Result<()> {
        self.quota.take_bytes(self.path, text.len() as u64)?;
        self.make(Verb::Create, |slot| {
            symlinkat(&*name_from_text(text), &slot.parent, &*slot.file_name())
        })
    }

    /// Another name takes what reading the object and making the same under that name would take.
    pub(crate) fn hard_link(self, to: Located<'_>) -> Result<()> {
        // Writing through the new name would change what was granted for reading only.
        self.writable()?;
        let from = self.slot()?;
        let object = from.object()?;
        if object.is_directory() {
            return Err(from_errno(from.located.path, Errno::PERM));
        }
        let read = from.permit(Verb::Read)?;
        let slot = to.new_slot()?;
        let create = slot.permit(Verb::Create)?;
        let carried = from.carries(&object, &slot)?;
        from.changes_alike(&slot, Coverage::Path)?;
        // The object that was looked at, not what has the name by now.
        let object = link_of(&object.handle);
        slot.made(|slot| {
            linkat(
                CWD,
                &*object,
                &slot.parent,
                &*slot.file_name(),
                AtFlags::SYMLINK_FOLLOW,
            )
        })?;
        read.done();
        create.done();
        carried.into_iter().for_each(Permit::done);
        Ok(())
    }

    /// A new name takes what reading, removing and making the same under that name would take.
    pub(crate) fn rename(self, to: Located<'_>) -> Result<()> {
        self.writable()?;
        to.writable()?;
        if !self.same_root(&to) {
            return Err(from_errno(to.path, Errno::XDEV));
        }
        let (from, target) = (self.slot()?, to.slot()?);
        let object = from.object()?;
        let reach = object.reach();
        let remove = from.permit_reaching(Verb::Remove, reach)?;
        let read = from.permit_reaching(Verb::Read, reach)?;
        let place = target.permit_placing(reach)?;
        let carried = from.carries(&object, &target)?;
        renameat(
            &from.parent,
            &*from.file_name(),
            &target.parent,
            &*target.file_name(),
        )
        .map_err(|errno| from_errno(from.located.path, errno))?;
        if !from.located.gate.is_open() && !object.is_at(&target) {
            // Something else took the name meanwhile: no right allows that to be moved.
            _ = renameat(
                &target.parent,
                &*target.file_name(),
                &from.parent,
                &*from.file_name(),
            );
            return Err(from_errno(from.located.path, Errno::BUSY));
        }
        let permits = [remove, read].into_iter().chain(place).chain(carried);
        permits.for_each(Permit::done);
        Ok(())
    }

    /// Removes an empty directory, or anything else.
    pub(crate) fn remove_entry(self, directory: bool) -> Result<()> {
        self.writable()?;
        let slot = self.slot()?;
        let permit = slot.permit(Verb::Remove)?;
        let flags = match directory {
            true => AtFlags::REMOVEDIR,
            false => AtFlags::empty(),
        };
        unlinkat(&slot.parent, &*slot.file_name(), flags)
            .map_err(|errno| from_errno(slot.located.path, errno))?;
        permit.done();
        Ok(())
    }
}

impl Slot<'_> {
    /// Makes an inode; one that could not be made costs nothing.
    pub(crate) fn made<T>(&self, call: impl FnOnce(&Self) -> rustix::io::Result<T>) -> Result<T> {
        let Located { quota, path, .. } = &self.located;
        quota.take_inode(path)?;
        call(self).map_err(|errno| {
            quota.return_inode();
            from_errno(path, errno)
        })
    }

    /// Leave to give `new` to an object of this name, with all that it takes along.
    fn carries<'a>(&self, object: &Object, new: &'a Slot<'_>) -> Result<Vec<Permit<'a>>> {
        if self.located.gate.is_open() {
            return Ok(Vec::new());
        }
        let reach = object.reach();
        let carried = object
            .carried()
            .map_err(|error| files_error(self.located.path, &error))?;
        if carried.linked {
            self.changes_alike(new, reach)?;
        }
        new.permit_carrying(&carried, reach)
    }
}

pub(super) fn set_mode(handle: &OwnedFd, mode: u32) -> rustix::io::Result<()> {
    rustix::fs::chmod(link_of(handle), Mode::from_raw_mode(mode & 0o7777))
}
