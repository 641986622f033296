//! Calls that take a path.
use super::convert::stat_of;
use crate::tree::{Located, Result, denied, from_errno, invalid, link_of};
use osbuild_wasm_capability::{Access, Verb};
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Timespec, Timestamps, fstat, openat, utimensat};
use rustix::io::Errno;
use wasmtime_wasi::filesystem::{Descriptor, Dir, File};
use wasmtime_wasi::p2::bindings::sync::filesystem::types::{
    DescriptorFlags, DescriptorStat, NewTimestamp, OpenFlags, PathFlags,
};
use wasmtime_wasi::{FsPerms, OpenMode};

pub(super) fn follows(flags: PathFlags) -> bool {
    flags.contains(PathFlags::SYMLINK_FOLLOW)
}

pub(super) fn stat(at: &Located<'_>, flags: PathFlags) -> Result<DescriptorStat> {
    at.examine(follows(flags)).map(|stat| stat_of(&stat))
}

pub(super) fn set_times(
    at: &Located<'_>,
    flags: PathFlags,
    accessed: NewTimestamp,
    modified: NewTimestamp,
) -> Result<()> {
    let times = Timestamps {
        last_access: time_of(at, accessed)?,
        last_modification: time_of(at, modified)?,
    };
    at.change(follows(flags), Verb::Replace, |handle| {
        utimensat(handle, "", &times, AtFlags::EMPTY_PATH)
    })
}

fn time_of(at: &Located<'_>, time: NewTimestamp) -> Result<Timespec> {
    let special = |tv_nsec| Timespec { tv_sec: 0, tv_nsec };
    Ok(match time {
        NewTimestamp::NoChange => special(rustix::fs::UTIME_OMIT),
        NewTimestamp::Now => special(rustix::fs::UTIME_NOW),
        NewTimestamp::Timestamp(time) => Timespec {
            tv_sec: i64::try_from(time.seconds)
                .map_err(|_| invalid(at.path, "a time beyond all calendars"))?,
            tv_nsec: time.nanoseconds.min(999_999_999).into(),
        },
    })
}

/// How something is to be opened, in terms of what is done with it.
struct Wish {
    follow: bool,
    create: bool,
    new: bool,
    directory: bool,
    truncate: bool,
    read: bool,
    write: bool,
}

impl Wish {
    fn new(path: PathFlags, how: OpenFlags, flags: DescriptorFlags) -> Self {
        let write = flags.contains(DescriptorFlags::WRITE);
        Self {
            follow: follows(path),
            create: how.contains(OpenFlags::CREATE),
            new: how.contains(OpenFlags::CREATE | OpenFlags::EXCLUSIVE),
            directory: how.contains(OpenFlags::DIRECTORY),
            truncate: how.contains(OpenFlags::TRUNCATE),
            read: flags.contains(DescriptorFlags::READ) || !write,
            write,
        }
    }

    fn flags(&self) -> OFlags {
        let access = match (self.read, self.write) {
            (true, true) => OFlags::RDWR,
            (false, true) => OFlags::WRONLY,
            _ => OFlags::RDONLY,
        };
        let truncate = match self.truncate {
            true => OFlags::TRUNC,
            false => OFlags::empty(),
        };
        access | truncate | OFlags::CLOEXEC | OFlags::NONBLOCK
    }

    fn mode(&self) -> OpenMode {
        let mut mode = OpenMode::empty();
        mode.set(OpenMode::READ, self.read);
        mode.set(OpenMode::WRITE, self.write);
        mode
    }
}

/// Opens a regular file or a directory; nothing else is opened, so that nothing can block.
pub(super) fn open(
    at: Located<'_>,
    path: PathFlags,
    how: OpenFlags,
    flags: DescriptorFlags,
) -> Result<Descriptor> {
    let unsupported = DescriptorFlags::FILE_INTEGRITY_SYNC
        | DescriptorFlags::DATA_INTEGRITY_SYNC
        | DescriptorFlags::REQUESTED_WRITE_SYNC;
    if flags.intersects(unsupported) {
        return Err(from_errno(at.path, Errno::NOTSUP));
    }
    let wish = Wish::new(path, how, flags);
    if wish.write || wish.create || wish.truncate {
        at.writable()?;
    }
    match at.path_fd(wish.follow) {
        Ok(_) if wish.new => Err(from_errno(at.path, Errno::EXIST)),
        Ok(handle) => existing(&at, &handle, &wish),
        Err(Errno::NOENT) if wish.create && !wish.directory => create(at, &wish),
        Err(errno) => Err(from_errno(at.path, errno)),
    }
}

fn existing(at: &Located<'_>, handle: &OwnedFd, wish: &Wish) -> Result<Descriptor> {
    let failed = |errno| from_errno(at.path, errno);
    match FileType::from_raw_mode(fstat(handle).map_err(failed)?.st_mode) {
        FileType::Directory if wish.create || wish.truncate || wish.write => {
            Err(failed(Errno::ISDIR))
        }
        FileType::Directory => {
            let permit = at.permit_stat(true, handle)?;
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let opened = openat(handle, ".", flags, Mode::empty()).map_err(failed)?;
            permit.done();
            Ok(directory(at, opened))
        }
        FileType::RegularFile if wish.directory => Err(failed(Errno::NOTDIR)),
        FileType::RegularFile => {
            let read = wish
                .read
                .then(|| at.permit(Verb::Read, handle))
                .transpose()?;
            let replaces = wish.write || wish.truncate;
            let replace = replaces
                .then(|| at.permit(Verb::Replace, handle))
                .transpose()?;
            let opened = rustix::fs::open(link_of(handle), wish.flags(), Mode::empty());
            let opened = opened.map_err(failed)?;
            read.into_iter()
                .chain(replace)
                .for_each(|permit| permit.done());
            Ok(file(at.access, opened, wish))
        }
        FileType::Symlink => Err(failed(Errno::LOOP)),
        _ => Err(denied(at.path, "neither a regular file nor a directory")),
    }
}

/// A link that leads nowhere is not followed: what it names may be made under its own name.
fn create(at: Located<'_>, wish: &Wish) -> Result<Descriptor> {
    let (path, access) = (at.path, at.access);
    if at.rest.ends_with('/') {
        return Err(from_errno(path, Errno::ISDIR));
    }
    let slot = at.slot()?;
    let permit = slot.permit(Verb::Create)?;
    let flags = wish.flags() | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
    let mode = Mode::from_raw_mode(0o666);
    let opened = slot.made(|slot| openat(&slot.parent, &*slot.file_name(), flags, mode))?;
    permit.done();
    Ok(file(access, opened, wish))
}

fn permissions(access: Access) -> FsPerms {
    match access {
        Access::Read => FsPerms::ReadOnly,
        Access::Write => FsPerms::ReadWrite,
    }
}

fn file(access: Access, fd: OwnedFd, wish: &Wish) -> Descriptor {
    let permissions = permissions(access);
    Descriptor::File(File::new(fd.into(), permissions, wish.mode(), true))
}

fn directory(at: &Located<'_>, fd: OwnedFd) -> Descriptor {
    let mode = OpenMode::READ | OpenMode::WRITE;
    Descriptor::Dir(Dir::new(fd.into(), permissions(at.access), mode, true))
}
