//! Opening files.
use super::errors::{denied, from_errno};
use super::gate::Permit;
use super::roots::{LINKS, Located, Roots, link_of};
use super::{OpenFile, Result};
use crate::bindings::tree::OpenMode;
use osbuild_wasm_capability::Verb;
use rustix::fd::OwnedFd;
use rustix::fs::{FileType, Mode, OFlags, fstat, openat};
use rustix::io::Errno;

impl Roots {
    /// Opens a regular file or a granted device. What else the tree holds (nodes of devices, pipes) is never opened.
    pub(super) fn open(&self, path: &str, how: OpenMode, mode: u32) -> Result<OpenFile> {
        self.open_behind((path, path), how, mode, LINKS)
    }

    /// The same of a path that links at the end of what was asked for lead to.
    fn open_behind(
        &self,
        (asked, path): (&str, &str),
        how: OpenMode,
        mode: u32,
        links: u32,
    ) -> Result<OpenFile> {
        let located = self.locate(path)?.led_from(asked);
        if how != OpenMode::Read {
            located.writable()?;
        }
        let existing = if how == OpenMode::CreateNew {
            Err(Errno::NOENT)
        } else {
            located.path_fd(true)
        };
        let file = match existing {
            Ok(fd) => {
                let permits = verbs_of(how).iter().map(|verb| located.permit(*verb, &fd));
                let permits = permits.collect::<Result<Vec<_>>>()?;
                let file = located.reopen(&fd, open_flags(how))?;
                permits.into_iter().for_each(|permit| permit.done());
                file
            }
            Err(Errno::NOENT) if creates(how) && self.gate.is_open() => {
                located.create(open_flags(how), mode)?
            }
            Err(Errno::NOENT) if creates(how) => match self.create(located, how, mode)? {
                Created::File(file) => file,
                Created::Link(target) if links > 0 => {
                    return self.open_behind((asked, &target), how, mode, links - 1);
                }
                Created::Link(_) => return Err(from_errno(path, Errno::LOOP)),
            },
            Err(errno) => return Err(from_errno(path, errno)),
        };
        Ok(OpenFile::new(
            file,
            path,
            how == OpenMode::Append,
            self.quota.clone(),
        ))
    }

    /// Makes a file under a name that may be created; a link that leads nowhere is followed step by step, each step a path that is
    /// looked up anew.
    fn create(&self, located: Located<'_>, how: OpenMode, mode: u32) -> Result<Created> {
        let path = located.path;
        if located.rest.ends_with('/') {
            return Err(from_errno(path, Errno::ISDIR));
        }
        let slot = located.slot()?;
        if how != OpenMode::CreateNew
            && let Some(target) = slot.leads_to()?
        {
            return Ok(Created::Link(target));
        }
        let permits = slot.permit_new(mode)?;
        let flags = open_flags(how) | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(mode & 0o7777);
        let file = slot.made(|slot| openat(&slot.parent, &*slot.file_name(), flags, mode))?;
        permits.into_iter().for_each(Permit::done);
        Ok(Created::File(file))
    }
}

/// What became of a name that was to be made.
enum Created {
    File(OwnedFd),
    /// It is a link, and leads to this path.
    Link(String),
}

impl Located<'_> {
    /// Opens what the handle names, if that is a regular file or the granted device itself.
    fn reopen(&self, handle: &OwnedFd, flags: OFlags) -> Result<OwnedFd> {
        let metadata = fstat(handle).map_err(|errno| from_errno(self.path, errno))?;
        match FileType::from_raw_mode(metadata.st_mode) {
            FileType::RegularFile => {}
            FileType::Directory => return Err(from_errno(self.path, Errno::ISDIR)),
            FileType::BlockDevice if !self.is_directory => {}
            _ => {
                return Err(denied(
                    self.path,
                    "neither a regular file nor a granted device",
                ));
            }
        }
        let flags =
            flags.difference(OFlags::CREATE | OFlags::EXCL) | OFlags::CLOEXEC | OFlags::NONBLOCK;
        rustix::fs::open(link_of(handle), flags, Mode::empty())
            .map_err(|errno| from_errno(self.path, errno))
    }

    fn create(&self, flags: OFlags, mode: u32) -> Result<OwnedFd> {
        if self.rest.ends_with('/') {
            return Err(from_errno(self.path, Errno::ISDIR));
        }
        let mode = Mode::from_raw_mode(mode & 0o7777);
        self.quota.take_inode(self.path)?;
        let fd = self
            .open_inside(self.rest, flags | OFlags::NONBLOCK, mode)
            .map_err(|errno| {
                self.quota.return_inode();
                from_errno(self.path, errno)
            })?;
        let metadata = fstat(&fd).map_err(|errno| from_errno(self.path, errno))?;
        // Something may have come into being meanwhile.
        if FileType::from_raw_mode(metadata.st_mode) != FileType::RegularFile {
            return Err(denied(
                self.path,
                "neither a regular file nor a granted device",
            ));
        }
        Ok(fd)
    }
}

fn open_flags(how: OpenMode) -> OFlags {
    match how {
        OpenMode::Read => OFlags::RDONLY,
        OpenMode::Update => OFlags::RDWR,
        OpenMode::Create => OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC,
        OpenMode::CreateNew => OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL,
        OpenMode::Append => OFlags::WRONLY | OFlags::CREATE | OFlags::APPEND,
    }
}

/// What opening an existing file takes.
fn verbs_of(how: OpenMode) -> &'static [Verb] {
    match how {
        OpenMode::Read => &[Verb::Read],
        OpenMode::Update => &[Verb::Read, Verb::Replace],
        OpenMode::Create | OpenMode::CreateNew | OpenMode::Append => &[Verb::Replace],
    }
}

fn creates(how: OpenMode) -> bool {
    matches!(
        how,
        OpenMode::Create | OpenMode::CreateNew | OpenMode::Append
    )
}
