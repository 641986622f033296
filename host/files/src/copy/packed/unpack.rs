//! From a listing and contents back to the tree. Their writer is not trusted with more than the tree: names are single names in open
//! directories that are new, contents are regular files with no other name.

use super::{CONTENTS, Entry, LINE, LISTING, Line};
use crate::FilesError;
use crate::copy::{Copy, CopyOptions, CopyReport, Place};
use crate::dirs::{MAX_DEPTH, handle, open_child, open_root};
use crate::error::At;
use crate::name::name_from_text;
use rustix::fs::{FileType, Mode, OFlags, RenameFlags, Stat};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Makes the tree `to` out of what [`crate::pack_tree`] left in `from`, on the same file system; contents are moved, so it can be done
/// once. Nobody may change `from` meanwhile.
///
/// # Errors
/// `from` is nothing that was packed, or something of it cannot be made here; extended attributes that cannot be set are reported.
pub fn unpack_tree(
    from: &Path,
    to: &Path,
    options: CopyOptions<'_>,
) -> Result<CopyReport, FilesError> {
    let directory = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let packed = rustix::fs::open(from, directory, Mode::empty()).at("open", from)?;
    let contents = open_child(&packed, OsStr::new(CONTENTS)).at("open the contents of", from)?;
    let listing = regular(packed.as_fd(), LISTING).at("open the listing of", from)?;
    std::fs::create_dir(to).at("create", to)?;
    let root = open_root(to).at("open", to)?;
    let mut unpacker = Unpacker {
        copy: Copy::new(from, to, root.as_fd(), options),
        contents,
        template: rustix::fs::fstat(&root).at("examine", to)?,
        open: Vec::new(),
    };
    unpacker.all(&mut BufReader::new(listing))?;
    Ok(unpacker.copy.report)
}

/// Opens a regular file, whatever its name has become.
fn regular(directory: BorrowedFd<'_>, name: &str) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::openat(directory, name, flags, Mode::empty())?);
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::other("it is no regular file")),
    }
}

struct Unpacker<'a> {
    copy: Copy<'a>,
    contents: OwnedFd,
    /// Has what no entry says.
    template: Stat,
    /// The directories that have begun, each in the one before.
    open: Vec<(OwnedFd, Entry)>,
}

impl Unpacker<'_> {
    fn all(&mut self, listing: &mut impl BufRead) -> Result<(), FilesError> {
        let mut root = Some(self.copy.root);
        while let Some(line) = next(listing).at("read the listing of", self.copy.from)? {
            match (line, root.take()) {
                (Line::Directory(entry), Some(root)) => {
                    let root = root.try_clone_to_owned().at("open", self.copy.to)?;
                    self.open.push((root, entry));
                }
                (_, Some(_)) => return Err(self.nonsense("it does not begin with a directory")),
                (line, None) => self.line(line)?,
            }
        }
        match self.open.is_empty() && root.is_none() {
            true => Ok(()),
            false => Err(self.nonsense("it ends too early")),
        }
    }

    fn line(&mut self, line: Line) -> Result<(), FilesError> {
        if matches!(line, Line::End) {
            return self.end();
        }
        let Some((directory, _)) = self.open.last() else {
            return Err(self.nonsense("it has something outside of the tree"));
        };
        let name = match &line {
            Line::Directory(entry)
            | Line::File(entry, _)
            | Line::Link(entry, _)
            | Line::Node(entry) => &entry.name,
            Line::Name(name, _) => name,
            Line::End => return Ok(()),
        };
        let name = name_from_text(name).into_owned();
        if !is_single(&name) {
            return Err(self.nonsense("it has a name that is none"));
        }
        let directory = directory.try_clone().at("open", &self.copy.target())?;
        self.copy.path.push(&name);
        let place = Place {
            dir: directory.as_fd(),
            name: &name,
        };
        if let Line::Directory(entry) = line {
            return self.begin(place, entry);
        }
        self.child(place, line)?;
        self.copy.path.pop();
        Ok(())
    }

    fn begin(&mut self, place: Place<'_>, entry: Entry) -> Result<(), FilesError> {
        if self.open.len() > MAX_DEPTH {
            return Err(self.nonsense("it goes too deep"));
        }
        rustix::fs::mkdirat(place.dir, place.name, Mode::RWXU).at("create", &self.copy.target())?;
        let made = open_child(place.dir, place.name).at("open", &self.copy.target())?;
        self.open.push((made, entry));
        Ok(())
    }

    /// The directory that began last is complete.
    fn end(&mut self) -> Result<(), FilesError> {
        let Some((directory, entry)) = self.open.pop() else {
            return Err(self.nonsense("it ends a directory that has not begun"));
        };
        self.of_kind(&entry, FileType::Directory)?;
        self.dress(directory.as_fd(), &entry)?;
        self.copy.path.pop();
        Ok(())
    }

    /// Anything but a directory.
    fn child(&mut self, place: Place<'_>, line: Line) -> Result<(), FilesError> {
        let entry = match line {
            Line::Name(_, inode) => {
                let mut stat = self.template;
                stat.st_ino = inode;
                return match self.copy.link(place, &stat)? {
                    true => Ok(()),
                    false => Err(self.nonsense("it has a further name of nothing")),
                };
            }
            Line::File(entry, number) => {
                self.of_kind(&entry, FileType::RegularFile)?;
                self.adopt(number, place)?;
                entry
            }
            Line::Link(entry, text) => {
                self.of_kind(&entry, FileType::Symlink)?;
                let text = name_from_text(&text);
                rustix::fs::symlinkat(&*text, place.dir, place.name)
                    .at("create", &self.copy.target())?;
                entry
            }
            Line::Node(entry) => {
                self.node(&entry, place)?;
                entry
            }
            Line::Directory(_) | Line::End => return Ok(()),
        };
        if entry.shared && self.copy.link(place, &entry.stat(&self.template))? {
            return Err(self.nonsense("it has two things of one inode"));
        }
        let made = handle(place.dir, place.name).at("open", &self.copy.target())?;
        self.dress(made.as_fd(), &entry)
    }

    /// Gives a content its name in the tree.
    fn adopt(&self, number: u64, place: Place<'_>) -> Result<(), FilesError> {
        let number = number.to_string();
        let target = self.copy.target();
        let content =
            handle(&self.contents, OsStr::new(&number)).at("find the content of", &target)?;
        let stat = rustix::fs::fstat(&content).at("examine", &target)?;
        let is_regular = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        if !is_regular || stat.st_nlink != 1 {
            return Err(self.nonsense("the content of a file is no file of its own"));
        }
        let flags = RenameFlags::NOREPLACE;
        rustix::fs::renameat_with(&self.contents, &number, place.dir, place.name, flags)
            .at("create", &target)
    }

    fn node(&self, entry: &Entry, place: Place<'_>) -> Result<(), FilesError> {
        let kind = FileType::from_raw_mode(entry.mode);
        let mode = Mode::RUSR | Mode::WUSR;
        let what = match kind {
            FileType::CharacterDevice | FileType::BlockDevice => "create the device node",
            FileType::Fifo | FileType::Socket => "create",
            _ => return Err(self.nonsense("it has a node of no kind")),
        };
        rustix::fs::mknodat(place.dir, place.name, kind, mode, entry.device)
            .at(what, &self.copy.target())
    }

    /// Gives it all that is listed of it.
    fn dress(&mut self, to: BorrowedFd<'_>, entry: &Entry) -> Result<(), FilesError> {
        self.copy.report.entries += 1;
        let stat = entry.stat(&self.template);
        self.copy.give(to, &stat, true, |copy| {
            for (name, value) in &entry.attributes {
                let value = hex::decode(value).map_err(io::Error::other);
                let value = value.at("read an attribute of", &copy.target())?;
                copy.xattr(to, &name_from_text(name), &value)?;
            }
            Ok(())
        })
    }

    fn of_kind(&self, entry: &Entry, kind: FileType) -> Result<(), FilesError> {
        match FileType::from_raw_mode(entry.mode) == kind {
            true => Ok(()),
            false => Err(self.nonsense("it has a mode of another kind")),
        }
    }

    fn nonsense(&self, what: &'static str) -> FilesError {
        FilesError::Io {
            action: "unpack",
            path: self.copy.source(),
            source: io::Error::new(io::ErrorKind::InvalidData, what),
        }
    }
}

/// The next line, if there is one.
fn next(listing: &mut impl BufRead) -> io::Result<Option<Line>> {
    let mut line = Vec::new();
    listing.take(LINE).read_until(b'\n', &mut line)?;
    match line.is_empty() {
        true => Ok(None),
        false => Ok(Some(serde_json::from_slice(&line)?)),
    }
}

/// Whether it is the name of something in a directory.
fn is_single(name: &OsStr) -> bool {
    let name = name.as_bytes();
    !matches!(name, b"" | b"." | b"..") && !name.contains(&b'/') && !name.contains(&0)
}
