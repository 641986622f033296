//! What both doors do with names: look, change, make, link, move, remove.
use super::Result;
use super::errors::{from_errno, invalid};
use super::gate::Permit;
use super::roots::{Located, Slot, link_of};
use osbuild_wasm_capability::Verb;
use rustix::fd::OwnedFd;
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, Stat, fstat, linkat, mkdirat, openat, readlinkat, renameat,
    symlinkat, unlinkat,
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
        call(&slot).map_err(|errno| from_errno(slot.located.path, errno))?;
        permit.done();
        Ok(())
    }

    fn new_slot(self) -> Result<Slot<'a>> {
        self.writable()?;
        self.quota.take_inode(self.path)?;
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
        let failed = |errno| from_errno(slot.located.path, errno);
        mkdirat(&slot.parent, slot.name, Mode::from_raw_mode(mode & 0o777)).map_err(failed)?;
        // mkdir(2) leaves set-id and sticky bits to the file system.
        if mode & 0o7000 != 0 {
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let made = openat(&slot.parent, slot.name, flags, Mode::empty()).map_err(failed)?;
            set_mode(&made, mode).map_err(failed)?;
        }
        permit.done();
        Ok(())
    }

    pub(crate) fn read_link(&self) -> Result<String> {
        let text = self.look(false, |handle| {
            readlinkat(handle, "", Vec::new()).map_err(|errno| match errno {
                Errno::NOENT => Errno::INVAL,
                other => other,
            })
        })?;
        text.into_string()
            .map_err(|_| invalid(self.path, "the link's text is not UTF-8"))
    }

    pub(crate) fn symbolic_link(self, text: &str) -> Result<()> {
        self.make(Verb::Create, |slot| {
            symlinkat(text, &slot.parent, slot.name)
        })
    }

    pub(crate) fn hard_link(self, to: Located<'_>) -> Result<()> {
        // Writing through the new name would change what was granted for reading only.
        self.writable()?;
        let from = self.slot()?;
        let read = from.permit(Verb::Read)?;
        let slot = to.new_slot()?;
        let create = slot.permit(Verb::Create)?;
        // ... or what may not be changed under its first name.
        from.gains_nothing(
            &slot,
            &[Verb::Replace, Verb::Chmod, Verb::Chown, Verb::Xattr],
        )?;
        let flags = AtFlags::empty();
        linkat(&from.parent, from.name, &slot.parent, slot.name, flags)
            .map_err(|errno| from_errno(slot.located.path, errno))?;
        read.done();
        create.done();
        Ok(())
    }

    pub(crate) fn rename(self, to: Located<'_>) -> Result<()> {
        self.writable()?;
        to.writable()?;
        if !self.same_root(&to) {
            return Err(from_errno(to.path, Errno::XDEV));
        }
        let (from, target) = (self.slot()?, to.slot()?);
        let remove = from.permit_whole(Verb::Remove)?;
        let place = target.permit_placing(from.reach())?;
        // What may not be read stays unread under a new name.
        from.gains_nothing(&target, &[Verb::Read])?;
        renameat(&from.parent, from.name, &target.parent, target.name)
            .map_err(|errno| from_errno(from.located.path, errno))?;
        remove.done();
        place.into_iter().for_each(Permit::done);
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
        unlinkat(&slot.parent, slot.name, flags)
            .map_err(|errno| from_errno(slot.located.path, errno))?;
        permit.done();
        Ok(())
    }
}

pub(super) fn set_mode(handle: &OwnedFd, mode: u32) -> rustix::io::Result<()> {
    rustix::fs::chmod(link_of(handle), Mode::from_raw_mode(mode & 0o7777))
}
