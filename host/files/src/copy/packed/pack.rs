//! From a tree to its listing and contents.

use super::{CONTENTS, Entry, LISTING, Line};
use crate::FilesError;
use crate::copy::content::Cloning;
use crate::copy::meta::each_attribute;
use crate::dirs::{MAX_DEPTH, handle, names, open_child, open_root, proc_path};
use crate::error::At;
use crate::name::name_to_text;
use rustix::fs::{FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Packs the tree `from` into a new directory `to`. Inode flags (chattr) are left out, as by [`crate::copy_tree`].
///
/// # Errors
/// Something cannot be read or written; `to` may then have some of it.
pub fn pack_tree(from: &Path, to: &Path) -> Result<(), FilesError> {
    let contents = to.join(CONTENTS);
    std::fs::create_dir(to).at("create", to)?;
    std::fs::create_dir(&contents).at("create", &contents)?;
    let listing = File::create_new(to.join(LISTING)).at("create", to)?;
    let root = open_root(from).at("open", from)?;
    let mut packer = Packer {
        listing: BufWriter::new(listing),
        contents: open_root(&contents).at("open", &contents)?,
        next: 0,
        cloning: Cloning::default(),
        seen: HashSet::new(),
        path: from.to_owned(),
    };
    packer.directory(root.as_fd(), OsStr::new("."), MAX_DEPTH)?;
    packer.listing.flush().at("write the listing of", from)
}

struct Packer {
    listing: BufWriter<File>,
    contents: OwnedFd,
    /// Number of the next content.
    next: u64,
    cloning: Cloning,
    /// Device and inode of what has several names, one of which was listed.
    seen: HashSet<(u64, u64)>,
    /// What is at hand.
    path: PathBuf,
}

impl Packer {
    fn directory(
        &mut self,
        directory: BorrowedFd<'_>,
        name: &OsStr,
        depth: usize,
    ) -> Result<(), FilesError> {
        let depth = depth.checked_sub(1).ok_or(Errno::NAMETOOLONG);
        let depth = depth.at("go deeper than", &self.path)?;
        let stat = rustix::fs::fstat(directory).at("examine", &self.path)?;
        let entry = self.entry(directory, name, &stat)?;
        self.line(&Line::Directory(entry))?;
        for name in names(directory).at("list", &self.path)? {
            self.path.push(&name);
            self.child(directory, &name, depth)?;
            self.path.pop();
        }
        self.line(&Line::End)
    }

    fn child(
        &mut self,
        directory: BorrowedFd<'_>,
        name: &OsStr,
        depth: usize,
    ) -> Result<(), FilesError> {
        let object = handle(directory, name).at("open", &self.path)?;
        let stat = rustix::fs::fstat(&object).at("examine", &self.path)?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        if kind == FileType::Directory {
            let child = open_child(directory, name).at("open", &self.path)?;
            return self.directory(child.as_fd(), name, depth);
        }
        if stat.st_nlink > 1 && !self.seen.insert((stat.st_dev, stat.st_ino)) {
            return self.line(&Line::Name(name_to_text(name.as_bytes()), stat.st_ino));
        }
        let entry = self.entry(object.as_fd(), name, &stat)?;
        let line = match kind {
            FileType::RegularFile => Line::File(entry, self.content(&object, &stat)?),
            FileType::Symlink => {
                let text = rustix::fs::readlinkat(&object, c"", Vec::new());
                let text = text.at("read the link", &self.path)?;
                Line::Link(entry, name_to_text(text.as_bytes()))
            }
            _ => Line::Node(entry),
        };
        self.line(&line)
    }

    fn entry(
        &self,
        object: BorrowedFd<'_>,
        name: &OsStr,
        stat: &Stat,
    ) -> Result<Entry, FilesError> {
        let mut attributes = Vec::new();
        each_attribute(&proc_path(object), &self.path, &mut |name, value| {
            attributes.push((name_to_text(name.as_bytes()), hex::encode(value)));
            Ok(())
        })?;
        Ok(Entry::new(name_to_text(name.as_bytes()), stat, attributes))
    }

    /// Copies the content of a regular file; its number.
    fn content(&mut self, object: &OwnedFd, stat: &Stat) -> Result<u64, FilesError> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::open(proc_path(object), flags, Mode::empty());
        let file = File::from(file.at("open", &self.path)?);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        let number = self.next;
        let copy = rustix::fs::openat(&self.contents, number.to_string(), flags, mode);
        let copy = File::from(copy.at("pack", &self.path)?);
        let copied = self.cloning.copy(&file, &copy, stat, &|_| Ok(()));
        copied.at("pack", &self.path)?;
        self.next += 1;
        Ok(number)
    }

    fn line(&mut self, line: &Line) -> Result<(), FilesError> {
        let mut bytes = serde_json::to_vec(line)
            .map_err(std::io::Error::from)
            .at("list", &self.path)?;
        bytes.push(b'\n');
        self.listing.write_all(&bytes).at("list", &self.path)
    }
}
