//! Copies of trees, as `cp -a --reflink=auto` makes them: modes, owners, times, extended attributes, hard links,
//! holes, links, devices. Every step is relative to an open directory; no link is followed on either side.

mod content;
mod meta;
pub(crate) mod packed;
mod through;
pub(crate) use meta::{each_attribute, read_xattr};

use crate::FilesError;
use crate::dirs::{MAX_DEPTH, handle, names, open_child, open_root, proc_path};
use crate::error::At;
use crate::inherited::inherit_nothing;
use content::Cloning;
pub use content::copy_part;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;
use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
pub use through::Through;

/// Sets an extended attribute (name, value) that this process may not set itself. The descriptor may be an
/// `O_PATH` one; `setxattr` on `/proc/self/fd/N` reaches the file behind it.
pub type SetXattr<'a> = dyn Fn(BorrowedFd<'_>, &OsStr, &[u8]) -> io::Result<()> + 'a;

/// Asked by a copy before each thing that it does; an error ends the copy. Paths are relative to the destination, and empty for the
/// destination itself.
pub trait Overseer {
    /// A new file, directory, link, node or further name is about to be made.
    fn entry(&self, path: &Path) -> io::Result<()>;
    /// So many bytes are about to be written into it.
    fn bytes(&self, path: &Path, count: u64) -> io::Result<()>;
    /// A file is about to be copied to a name that is a link now. Where the link leads, if the content goes there; nothing, if the file
    /// takes the place of the link.
    fn link(
        &self,
        path: &Path,
        directory: BorrowedFd<'_>,
        name: &OsStr,
    ) -> io::Result<Option<Through>>;
    /// It is about to get more than content and permission bits.
    fn property(&self, path: &Path, property: Property) -> io::Result<()>;
}

/// What a copy gives an entry beside content and permission bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Property {
    /// Set-id bits, or another mode of a directory that was there before.
    Mode,
    /// An owner or group that a new entry would not have.
    Owner,
    /// An extended attribute.
    Attribute,
    /// To be a device node, fifo or socket.
    Node,
}

/// How a tree is copied.
#[derive(Default, Clone, Copy)]
pub struct CopyOptions<'a> {
    /// Called when the kernel refuses an extended attribute to this process (EPERM, ENOTSUP).
    pub set_xattr: Option<&'a SetXattr<'a>>,
    /// Asked before each thing that is done.
    pub overseer: Option<&'a dyn Overseer>,
    /// New entries belong to this process, and what is not its own cannot run in its owner's name: such files lose their set-id bits.
    pub without_owners: bool,
}

/// A name in an open directory.
#[derive(Clone, Copy)]
struct Place<'a> {
    dir: BorrowedFd<'a>,
    name: &'a OsStr,
}

impl std::fmt::Debug for CopyOptions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CopyOptions")
            .field("set_xattr", &self.set_xattr.is_some())
            .field("overseer", &self.overseer.is_some())
            .field("without_owners", &self.without_owners)
            .finish()
    }
}

/// What a copy did.
#[derive(Debug, Default)]
pub struct CopyReport {
    /// Entries made: files, directories, links and nodes.
    pub entries: u64,
    /// Bytes read and written.
    pub copied_bytes: u64,
    /// Bytes shared with the original by reflink.
    pub cloned_bytes: u64,
    /// Extended attributes that could not be set, by name.
    pub lost_xattrs: BTreeMap<OsString, XattrLoss>,
}

impl CopyReport {
    /// What was lost, in one line for people: each attribute with the number of files, the first of them, and why.
    pub fn losses(&self) -> Option<String> {
        let loss = |(name, loss): (&OsString, &XattrLoss)| {
            let XattrLoss {
                files,
                first,
                error,
            } = loss;
            let first = match first.as_os_str().is_empty() {
                true => Path::new("."),
                false => first,
            };
            let others = match files {
                1 => String::new(),
                more => format!(" and {} more", more - 1),
            };
            format!(
                "{} of {}{others} ({error})",
                name.display(),
                first.display()
            )
        };
        let losses: Vec<_> = self.lost_xattrs.iter().map(loss).collect();
        (!losses.is_empty()).then(|| format!("attributes are lost: {}", losses.join(", ")))
    }
}

/// An extended attribute that could not be set on some of the files that should have it.
#[derive(Debug)]
pub struct XattrLoss {
    /// On how many files.
    pub files: u64,
    /// The first of them, relative to the tree.
    pub first: PathBuf,
    /// Why, for the first.
    pub error: io::Error,
}

/// Copies the content of directory `from` into directory `to` (made if it is missing) and gives `to` the metadata of
/// `from`. Directories that exist are merged into; other files that exist are replaced. Inode flags (chattr) are not
/// copied.
///
/// # Errors
/// Any entry that cannot be copied completely ends the copy, extended attributes excepted: those are reported.
pub fn copy_tree(
    from: &Path,
    to: &Path,
    options: CopyOptions<'_>,
) -> Result<CopyReport, FilesError> {
    let source = open_root(from).at("open", from)?;
    let (root, made) = make_root(to, options)?;
    copy_directory((&source, from), (&root, to), made, options)
}

/// The same with both open; the paths are for messages.
fn copy_directory(
    (source, from): (&OwnedFd, &Path),
    (root, to): (&OwnedFd, &Path),
    made: bool,
    options: CopyOptions<'_>,
) -> Result<CopyReport, FilesError> {
    let stat = rustix::fs::fstat(source).at("examine", from)?;
    let root_stat = rustix::fs::fstat(root).at("examine", to)?;
    let mut copy = Copy::new(from, to, root.as_fd(), options);
    copy.root_id = Some((root_stat.st_dev, root_stat.st_ino));
    copy.directory(source.as_fd(), root.as_fd(), &stat, made)?;
    Ok(copy.report)
}

/// The destination's directory, and whether it is new.
fn make_root(to: &Path, options: CopyOptions<'_>) -> Result<(OwnedFd, bool), FilesError> {
    match open_root(to) {
        Err(Errno::NOENT) => {}
        opened => return Ok((opened.at("open", to)?, false)),
    }
    let asked = options.ask(|overseer| overseer.entry(Path::new("")));
    asked.at("create", to)?;
    let made = rustix::fs::mkdir(to, Mode::RWXU);
    let is_new = made != Err(Errno::EXIST);
    if is_new {
        made.at("create", to)?;
        inherit_nothing(open_root(to).at("open", to)?).at("make", to)?;
    }
    Ok((open_root(to).at("open", to)?, is_new))
}

impl CopyOptions<'_> {
    fn ask(&self, question: impl FnOnce(&dyn Overseer) -> io::Result<()>) -> io::Result<()> {
        self.overseer.map_or(Ok(()), question)
    }
}

/// Copies what the handle `source` (which may be an `O_PATH` one) is of to a name in the open directory `to`: a directory as [`copy_tree`]
/// does, anything else as a single entry that replaces what has the name now. What is copied is what the handle was opened on, whatever
/// its name leads to by now; the name is never followed if it is a link. The name `.` is the directory `to` itself.
///
/// # Errors
/// As [`copy_tree`].
pub fn copy_object(
    source: BorrowedFd<'_>,
    to: BorrowedFd<'_>,
    name: &OsStr,
    options: CopyOptions<'_>,
) -> Result<CopyReport, FilesError> {
    let shown = Path::new(name);
    let stat = rustix::fs::fstat(source).at("examine", shown)?;
    let place = Place { dir: to, name };
    let mut copy = Copy::new(shown, shown, to, options);
    if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
        let (target, made) = copy.make_directory(place)?;
        let source = open_root(&proc_path(source).join(".")).at("open", shown)?;
        return copy_directory((&source, shown), (&target, shown), made, options);
    }
    let through = copy.through(place, &stat)?;
    let place = through.as_ref().map_or(place, Through::place);
    copy.clear_way(place)?;
    copy.object(source, place, &stat)?;
    Ok(copy.report)
}

/// Gives the open directory `to` the metadata of `from`: owner, mode, extended attributes, times; `made` says that it is new.
///
/// # Errors
/// As [`copy_tree`].
pub fn copy_metadata(
    from: BorrowedFd<'_>,
    to: BorrowedFd<'_>,
    made: bool,
    options: CopyOptions<'_>,
) -> Result<CopyReport, FilesError> {
    let stat = rustix::fs::fstat(from).at("examine", Path::new("."))?;
    let here = Path::new(".");
    let mut copy = Copy::new(here, here, to, options);
    copy.metadata(from, to, &stat, made)?;
    Ok(copy.report)
}

struct Copy<'a> {
    from: &'a Path,
    to: &'a Path,
    root: BorrowedFd<'a>,
    /// Device and inode of the destination, which must not turn up in the source.
    root_id: Option<(u64, u64)>,
    options: CopyOptions<'a>,
    cloning: Cloning,
    /// Where in the destination each source file with several names first went.
    links: HashMap<(u64, u64), PathBuf>,
    /// The entry at hand, relative to both roots.
    path: PathBuf,
    report: CopyReport,
}

impl<'a> Copy<'a> {
    fn new(from: &'a Path, to: &'a Path, root: BorrowedFd<'a>, options: CopyOptions<'a>) -> Self {
        Copy {
            from,
            to,
            root,
            root_id: None,
            options,
            cloning: Cloning::default(),
            links: HashMap::new(),
            path: PathBuf::new(),
            report: CopyReport::default(),
        }
    }
}

impl Copy<'_> {
    fn source(&self) -> PathBuf {
        self.from.join(&self.path)
    }

    fn target(&self) -> PathBuf {
        self.to.join(&self.path)
    }

    fn directory(
        &mut self,
        from: BorrowedFd<'_>,
        to: BorrowedFd<'_>,
        stat: &Stat,
        made: bool,
    ) -> Result<(), FilesError> {
        if Some((stat.st_dev, stat.st_ino)) == self.root_id {
            return Err(self.conflict("it is inside the directory that is copied"));
        }
        if self.path.components().count() > MAX_DEPTH {
            return Err(Errno::NAMETOOLONG).at("go deeper than", &self.source());
        }
        for name in names(from).at("list", &self.source())? {
            self.path.push(&name);
            self.entry(
                Place {
                    dir: from,
                    name: &name,
                },
                Place {
                    dir: to,
                    name: &name,
                },
            )?;
            self.path.pop();
        }
        self.report.entries += 1;
        self.metadata(from, to, stat, made)
    }

    fn entry(&mut self, from: Place<'_>, to: Place<'_>) -> Result<(), FilesError> {
        let stat = rustix::fs::statat(from.dir, from.name, AtFlags::SYMLINK_NOFOLLOW)
            .at("examine", &self.source())?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        if kind == FileType::Directory {
            let source = open_child(from.dir, from.name).at("open", &self.source())?;
            let (target, made) = self.make_directory(to)?;
            return self.directory(source.as_fd(), target.as_fd(), &stat, made);
        }
        let through = self.through(to, &stat)?;
        let to = through.as_ref().map_or(to, Through::place);
        self.clear_way(to)?;
        if through.is_none() && stat.st_nlink > 1 && self.link(to, &stat)? {
            self.report.entries += 1;
            return Ok(());
        }
        match kind {
            FileType::RegularFile => self.file(from, to, &stat),
            _ => {
                let source = handle(from.dir, from.name).at("open", &self.source())?;
                self.object(source.as_fd(), to, &stat)
            }
        }
    }

    /// The directory of that name, and whether it is new.
    fn make_directory(&self, to: Place<'_>) -> Result<(OwnedFd, bool), FilesError> {
        let conflict = || {
            let link = rustix::fs::readlinkat(to.dir, to.name, Vec::new()).is_ok();
            self.conflict(match link {
                true => "a symbolic link is there, which a directory does not replace",
                false => "a file is there, which a directory does not replace",
            })
        };
        let made = match open_child(to.dir, to.name) {
            Ok(there) => return Ok((there, false)),
            Err(Errno::NOTDIR | Errno::LOOP) => return Err(conflict()),
            Err(Errno::NOENT) => {
                self.new_entry()?;
                match rustix::fs::mkdirat(to.dir, to.name, Mode::RWXU) {
                    Err(Errno::EXIST) => false,
                    made => made.map(|()| true).at("create", &self.target())?,
                }
            }
            Err(error) => return Err(error).at("open", &self.target()),
        };
        match open_child(to.dir, to.name) {
            Err(Errno::NOTDIR | Errno::LOOP) => Err(conflict()),
            other => Ok((other.at("open", &self.target())?, made)),
        }
    }

    /// Asks before an entry is made.
    fn new_entry(&self) -> Result<(), FilesError> {
        let ask = |overseer: &dyn Overseer| overseer.entry(&self.path);
        self.options.ask(ask).at("create", &self.target())
    }

    /// Asks before an entry gets a property.
    fn new_property(&self, property: Property) -> Result<(), FilesError> {
        let ask = |overseer: &dyn Overseer| overseer.property(&self.path, property);
        self.options.ask(ask).at("create", &self.target())
    }

    /// Removes what has the name now; nothing is ever written through an existing file or link.
    fn clear_way(&self, to: Place<'_>) -> Result<(), FilesError> {
        match rustix::fs::unlinkat(to.dir, to.name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(Errno::ISDIR) => Err(self.conflict("a directory is there already")),
            error => error.at("replace", &self.target()),
        }
    }

    /// Makes a hard link if another name of the same file was copied before.
    fn link(&mut self, to: Place<'_>, stat: &Stat) -> Result<bool, FilesError> {
        let id = (stat.st_dev, stat.st_ino);
        let Some(first) = self.links.get(&id) else {
            self.links.insert(id, self.path.clone());
            return Ok(false);
        };
        let (Some(parent), Some(first_name)) = (first.parent(), first.file_name()) else {
            return Ok(false);
        };
        let parent = if parent.as_os_str().is_empty() {
            Path::new(".")
        } else {
            parent
        };
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let parent = rustix::fs::openat2(self.root, parent, flags, Mode::empty(), resolve)
            .at("open", &self.target())?;
        // A name makes its directory larger, as a file does.
        self.new_entry()?;
        match rustix::fs::linkat(&parent, first_name, to.dir, to.name, AtFlags::empty()) {
            Ok(()) => Ok(true),
            Err(Errno::MLINK) => {
                self.links.insert(id, self.path.clone()); // This file system allows fewer names: start another copy.
                Ok(false)
            }
            Err(error) => Err(error).at("link", &self.target()),
        }
    }

    fn file(&mut self, from: Place<'_>, to: Place<'_>, stat: &Stat) -> Result<(), FilesError> {
        // What became a pipe meanwhile must not be waited for.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let source: File = rustix::fs::openat(from.dir, from.name, flags, Mode::empty())
            .at("open", &self.source())?
            .into();
        self.content(&source, to, stat)
    }

    /// Anything but a directory, under a name that is free.
    fn object(
        &mut self,
        source: BorrowedFd<'_>,
        to: Place<'_>,
        stat: &Stat,
    ) -> Result<(), FilesError> {
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => {
                let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
                let file = rustix::fs::open(proc_path(source), flags, Mode::empty());
                self.content(&file.at("open", &self.source())?.into(), to, stat)
            }
            FileType::Symlink => self.symlink(source, to, stat),
            kind => self.node(source, to, stat, kind),
        }
    }

    fn content(&mut self, source: &File, to: Place<'_>, stat: &Stat) -> Result<(), FilesError> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        self.new_entry()?;
        self.report.entries += 1;
        let target: File = rustix::fs::openat(to.dir, to.name, flags, mode)
            .at("create", &self.target())?
            .into();
        let (path, options) = (&self.path, self.options);
        let take = |count| options.ask(|overseer| overseer.bytes(path, count));
        let (copied, cloned) = self
            .cloning
            .copy(source, &target, stat, &take)
            .at("copy the content to", &self.target())?;
        self.report.copied_bytes += copied;
        self.report.cloned_bytes += cloned;
        self.metadata(source.as_fd(), target.as_fd(), stat, true)
    }

    fn symlink(
        &mut self,
        source: BorrowedFd<'_>,
        to: Place<'_>,
        stat: &Stat,
    ) -> Result<(), FilesError> {
        let content =
            rustix::fs::readlinkat(source, c"", Vec::new()).at("read the link", &self.source())?;
        self.new_entry()?;
        self.report.entries += 1;
        rustix::fs::symlinkat(content.as_c_str(), to.dir, to.name).at("create", &self.target())?;
        self.metadata_of_child(source, to, stat)
    }

    fn node(
        &mut self,
        source: BorrowedFd<'_>,
        to: Place<'_>,
        stat: &Stat,
        kind: FileType,
    ) -> Result<(), FilesError> {
        self.new_property(Property::Node)?;
        self.new_entry()?;
        self.report.entries += 1;
        let mode = Mode::RUSR | Mode::WUSR;
        rustix::fs::mknodat(to.dir, to.name, kind, mode, stat.st_rdev)
            .at("create the device node", &self.target())?;
        self.metadata_of_child(source, to, stat)
    }

    fn conflict(&self, problem: &'static str) -> FilesError {
        FilesError::Conflict {
            path: self.target(),
            problem,
        }
    }
}
