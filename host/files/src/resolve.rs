//! Paths that people name, resolved so that no other user of the machine decides where they lead.
//!
//! A directory that several people share can hold a link of another user at the name that we are about to write, and a user who can write
//! a directory of components decides what runs. Links count only if they belong to root or to the user of this program; from then on the
//! descriptor is used, not the path.
use crate::dirs::{handle, names, proc_path};
use crate::inherited::inherit_nothing;
use crate::read::{LARGEST_COMPONENT, read_file};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

/// As many links as the kernel follows in one path.
const LINKS: usize = 40;

/// Bits of a mode by which others than the owner could write.
const OTHERS_WRITE: u32 = 0o022;
/// Bits by which others could use a directory in any way.
const OTHERS: u32 = 0o077;
const EVERYBODY_WRITES: u32 = 0o002;
const STICKY: u32 = 0o1000;

/// Whether what `stat` describes belongs to `owner` or root, and others cannot write it.
pub fn is_unshared(stat: &Stat, owner: u32) -> bool {
    (stat.st_uid == owner || stat.st_uid == 0) && !is_writable_by_others(stat)
}

/// Whether others than the owner can write what `stat` describes.
pub fn is_writable_by_others(stat: &Stat) -> bool {
    stat.st_mode & OTHERS_WRITE != 0
}

/// Modes of directories that are made: no other user writes into them, whatever the umask allows.
const READABLE: u32 = 0o755;
const PRIVATE: u32 = 0o700;

/// Opens a directory to write into, and makes it and those that lead to it where they are missing.
///
/// # Errors
/// Also a link of another user on the way.
pub fn make_directory(path: &Path) -> io::Result<OwnedFd> {
    as_directory(Walk::new(Purpose::Make(READABLE)).resolve(path)?, path)
}

/// As [`make_directory`]; what is made is closed to others.
///
/// # Errors
/// As [`make_directory`].
pub fn make_private_directory(path: &Path) -> io::Result<OwnedFd> {
    as_directory(Walk::new(Purpose::Make(PRIVATE)).resolve(path)?, path)
}

/// Opens a directory to work on. It is made where it is missing, what leads to it is not: a mistake in a long path is more likely than
/// a wish.
///
/// # Errors
/// Also a link of another user on the way; a directory of another user at a place where others can make names.
pub fn make_working_directory(path: &Path) -> io::Result<OwnedFd> {
    let absolute = std::path::absolute(path)?;
    if let (Some(above), Some(name)) = (absolute.parent(), absolute.file_name()) {
        match rustix::fs::mkdirat(open_directory_of(above)?, name, READABLE.into()) {
            Ok(()) => inherit_nothing(open_directory_of(path)?)?,
            Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let found = open_directory_of(path)?;
    let owner = rustix::fs::fstat(&found)?.st_uid;
    let above = open_directory(&found, OsStr::new(".."))?;
    if is_writable_by_others(&rustix::fs::fstat(&above)?) && !is_ours_in(&above, owner)? {
        return Err(refused(
            path,
            &format!("is there and belongs to user {owner}"),
        ));
    }
    Ok(found)
}

/// The name of an open directory, absolute and without links, for calls that take one.
///
/// # Errors
/// There is no /proc.
pub fn path_of(directory: &OwnedFd) -> io::Result<PathBuf> {
    std::fs::read_link(proc_path(directory)).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => io::Error::other("/proc is not mounted here, which is needed"),
        _ => error,
    })
}

/// Opens a directory to write into.
///
/// # Errors
/// Also a link of another user on the way.
pub fn open_directory_of(path: &Path) -> io::Result<OwnedFd> {
    as_directory(Walk::new(Purpose::Write).resolve(path)?, path)
}

/// Opens a directory from which code is loaded.
///
/// # Errors
/// Also a directory that another user owns or can write, and one on the way in which everybody can put another in its place.
pub fn open_unshared_directory(path: &Path) -> io::Result<OwnedFd> {
    let found = open_unshared(path)?;
    as_directory(found, path)
}

/// Reads a file of code, as [`open_unshared_directory`] opens directories.
///
/// # Errors
/// Also what is no regular file.
pub fn read_unshared_file(path: &Path) -> io::Result<Vec<u8>> {
    let found = open_unshared(path)?;
    let stat = rustix::fs::fstat(&found)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(refused(path, "is no regular file"));
    }
    read_file(Path::new(&proc_path(&found)), LARGEST_COMPONENT)
}

fn open_unshared(path: &Path) -> io::Result<OwnedFd> {
    let found = Walk::new(Purpose::Load).resolve(path)?;
    let stat = rustix::fs::fstat(&found)?;
    if !is_ours(stat.st_uid) || is_writable_by_others(&stat) {
        let problem = match is_writable_by_others(&stat) {
            false => format!("belongs to user {}", stat.st_uid),
            true => "can be written by others".to_owned(),
        };
        let advice =
            "what is run in your name must be yours or root's: `chown` it, and `chmod go-w`";
        return Err(refused(path, &format!("{problem}; {advice}")));
    }
    Ok(found)
}

/// A directory of exports, open.
#[derive(Debug)]
pub struct ExportDirectory {
    directory: OwnedFd,
    path: PathBuf,
}

impl ExportDirectory {
    /// Opens it; it is made where it is missing.
    ///
    /// # Errors
    /// As [`make_directory`].
    pub fn make(path: &Path) -> io::Result<Self> {
        Ok(Self {
            directory: make_directory(path)?,
            path: path.to_owned(),
        })
    }

    /// Makes sure that only its owner passes through it, before something comes there that others must not use: a set-uid program
    /// works wherever it lies. `ours` are the names in it that exports have.
    ///
    /// # Errors
    /// It is another user's, or has other things in it, so that closing it would take these from their users.
    pub fn close(&self, ours: &BTreeSet<OsString>) -> io::Result<()> {
        let stat = rustix::fs::fstat(&self.directory)?;
        if stat.st_uid != own_id() {
            let problem = format!(
                "belongs to user {}, who could use set-uid programs and device nodes of the export there: name a directory of your own",
                stat.st_uid
            );
            return Err(refused(&self.path, &problem));
        }
        if stat.st_mode & OTHERS == 0 {
            return Ok(());
        }
        let readable = rustix::fs::openat(
            &self.directory,
            ".",
            OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        if names(&readable)?.iter().all(|name| ours.contains(name)) {
            rustix::fs::fchmod(&readable, Mode::RWXU)?;
            return Ok(());
        }
        match self.is_beyond_reach()? {
            true => Ok(()),
            false => Err(refused(
                &self.path,
                "has other things in it and is open to others, who could use set-uid programs and device nodes of the export there: `chmod 0700` it, or name a new directory",
            )),
        }
    }

    /// Whether a directory above lets only its owner pass.
    fn is_beyond_reach(&self) -> io::Result<bool> {
        let mut directory = self.directory.try_clone()?;
        loop {
            let above = open_directory(&directory, OsStr::new(".."))?;
            let (stat, own) = (rustix::fs::fstat(&above)?, rustix::fs::fstat(&directory)?);
            if (stat.st_dev, stat.st_ino) == (own.st_dev, own.st_ino) {
                return Ok(false);
            }
            if is_ours(stat.st_uid) && stat.st_mode & OTHERS == 0 {
                return Ok(true);
            }
            directory = above;
        }
    }

    /// The descriptor, for calls that take one.
    pub fn descriptor(&self) -> &OwnedFd {
        &self.directory
    }

    /// Whether there is something of that name, be it a link.
    ///
    /// # Errors
    /// The directory cannot be asked.
    pub fn has(&self, name: &OsStr) -> io::Result<bool> {
        match rustix::fs::statat(&self.directory, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Opens the directory of one export, which is made where it is missing. Its `/proc` path reaches it whatever happens to its name.
    ///
    /// # Errors
    /// There is a link, something else, or a directory of another user.
    pub fn export(&self, name: &OsStr) -> io::Result<OwnedFd> {
        if Path::new(name).file_name() != Some(name) {
            return Err(refused(&self.path.join(name), "is no name in a directory"));
        }
        match rustix::fs::mkdirat(&self.directory, name, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        self.open_export(name)
    }

    fn open_export(&self, name: &OsStr) -> io::Result<OwnedFd> {
        let path = self.path.join(name);
        let export = match open_directory(&self.directory, name) {
            Err(Errno::NOTDIR | Errno::LOOP) => {
                return Err(refused(&path, "is there and no directory: remove it"));
            }
            other => other?,
        };
        let (own, above) = (
            rustix::fs::fstat(&export)?,
            rustix::fs::fstat(&self.directory)?,
        );
        // Where no other user can put anything, what is there is ours, whatever owner it was given.
        let is_private = is_ours(above.st_uid) && !is_writable_by_others(&above);
        if !is_private && !is_ours_in(&self.directory, own.st_uid)? {
            let problem = format!("is there and belongs to user {}: remove it", own.st_uid);
            return Err(refused(&path, &problem));
        }
        Ok(export)
    }

    /// Finds out whether an export of this name could come into the directory `path` now; nothing stays of that.
    ///
    /// # Errors
    /// What making it would say.
    pub fn check(path: &Path, name: &OsStr) -> io::Result<()> {
        let mut there = std::path::absolute(path)?;
        let directory = loop {
            match open_directory_of(&there) {
                Err(error) if error.kind() == io::ErrorKind::NotFound && there.pop() => {}
                found => break found?,
            }
        };
        let found = Self {
            directory,
            path: there,
        };
        found.try_out()?;
        match found.path == std::path::absolute(path)? && found.has(name)? {
            true => found.open_export(name).map(drop),
            false => Ok(()),
        }
    }

    /// Makes something and takes it away again.
    fn try_out(&self) -> io::Result<()> {
        let name = format!(".osbuild-wasm-{}", std::process::id());
        match rustix::fs::mkdirat(&self.directory, &name, Mode::RWXU) {
            Err(Errno::EXIST) => Ok(()),
            Err(errno) => {
                let error = io::Error::from(errno);
                let text = format!("nothing can be made in {}: {error}", self.path.display());
                Err(io::Error::new(error.kind(), text))
            }
            Ok(()) => {
                rustix::fs::unlinkat(&self.directory, &name, AtFlags::REMOVEDIR)?;
                Ok(())
            }
        }
    }
}

/// What a path is resolved for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// To write there.
    Write,
    /// To write there; missing directories are made with this mode.
    Make(u32),
    /// To run what is there: no directory on the way may be one in which everybody can put something else.
    Load,
}

/// One path on its way.
struct Walk {
    purpose: Purpose,
    links: usize,
}

impl Walk {
    fn new(purpose: Purpose) -> Self {
        Self { purpose, links: 0 }
    }

    /// A handle on what the path leads to, which is no link.
    fn resolve(&mut self, path: &Path) -> io::Result<OwnedFd> {
        let root = || rustix::fs::open("/", OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
        let mut here = root()?;
        let mut ahead = Vec::new();
        push(&mut ahead, &std::path::absolute(path)?);
        while let Some(name) = ahead.pop() {
            if name == ".." {
                here = open_directory(&here, &name)?;
                continue;
            }
            let next = self.step(&here, &name)?;
            let stat = rustix::fs::fstat(&next)?;
            if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink {
                let target = self.follow((&here, &next), &stat, path, &name)?;
                if target.is_absolute() {
                    here = root()?;
                }
                push(&mut ahead, &target);
                continue;
            }
            let is_replaceable = stat.st_mode & (EVERYBODY_WRITES | STICKY) == EVERYBODY_WRITES;
            if self.purpose == Purpose::Load && is_replaceable && !ahead.is_empty() {
                let problem = format!(
                    "everybody can put something else in its place, in {}",
                    name.display()
                );
                return Err(refused(path, &problem));
            }
            here = next;
        }
        Ok(here)
    }

    fn step(&self, here: &OwnedFd, name: &OsStr) -> io::Result<OwnedFd> {
        match handle(here, name) {
            Err(Errno::NOENT) => {
                let Purpose::Make(mode) = self.purpose else {
                    return Err(Errno::NOENT.into());
                };
                match rustix::fs::mkdirat(here, name, mode.into()) {
                    Ok(()) | Err(Errno::EXIST) => Ok(handle(here, name)?),
                    Err(error) => Err(error.into()),
                }
            }
            found => Ok(found?),
        }
    }

    fn follow(
        &mut self,
        (directory, link): (&OwnedFd, &OwnedFd),
        stat: &Stat,
        path: &Path,
        name: &OsStr,
    ) -> io::Result<PathBuf> {
        self.links += 1;
        if self.links > LINKS {
            return Err(Errno::LOOP.into());
        }
        if !is_ours_in(directory, stat.st_uid)? {
            let problem = format!(
                "{} is a link of user {}, which is not followed",
                name.display(),
                stat.st_uid
            );
            return Err(refused(path, &problem));
        }
        let target = rustix::fs::readlinkat(link, "", Vec::new())?;
        Ok(OsString::from_vec(target.into_bytes()).into())
    }
}

/// Puts the names of a path on the stack of those that are still ahead.
fn push(ahead: &mut Vec<OsString>, path: &Path) {
    let names = path.components().rev();
    ahead.extend(names.filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    }));
}

fn open_directory(at: impl AsFd, name: &OsStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(at, name, flags, Mode::empty())
}

fn as_directory(found: OwnedFd, path: &Path) -> io::Result<OwnedFd> {
    let stat = rustix::fs::fstat(&found)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => Ok(found),
        _ => {
            let text = format!("{}: is no directory", path.display());
            Err(io::Error::new(io::ErrorKind::NotADirectory, text))
        }
    }
}

fn refused(path: &Path, problem: &str) -> io::Error {
    let text = format!("{}: {problem}", path.display());
    io::Error::new(io::ErrorKind::PermissionDenied, text)
}

/// The user in whose name this program runs.
fn own_id() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn is_ours(user: u32) -> bool {
    user == own_id() || is_root(user)
}

/// As [`is_ours`], of what lies in a directory. In a user namespace root of the machine and every stranger have one id; where others
/// can write, it is taken for that of a stranger.
fn is_ours_in(directory: &OwnedFd, user: u32) -> io::Result<bool> {
    if user == own_id() || user == 0 {
        return Ok(true);
    }
    let directory = rustix::fs::fstat(directory)?;
    Ok(is_root(user) && !is_writable_by_others(&directory))
}

/// Whether the user is root. In a user namespace the machine's root has no id of its own: it appears as everybody who has none.
fn is_root(user: u32) -> bool {
    user == 0 || unmapped_id() == Some(user)
}

/// The id that users have who have none here; none where everybody has one. A process may enter a user namespace at any time.
fn unmapped_id() -> Option<u32> {
    let map = std::fs::read_to_string("/proc/self/uid_map").ok()?;
    let all = map.split_whitespace().eq(["0", "0", "4294967295"]);
    let overflow = || std::fs::read_to_string("/proc/sys/kernel/overflowuid").ok();
    (!all).then(overflow)??.trim().parse().ok()
}
