//! The prototype of mkfs.xfs(8) for a directory.
//!
//! Where it cannot say what is there, it says something of the same size and kind: another name or target for one with blanks, an empty
//! file for a further name of a file. What it says is put right in the image afterwards.

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io::{BufWriter, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink};
use std::path::{Path, PathBuf};

use osbuild_wasm_protocol::Failure;
use rustix::fs::{major, minor};

use super::super::FILES;
use super::super::content::Content;
use super::names::{is_word, word, words};
use crate::failure::About;

/// Where mkfs.xfs sees the files of [`PrototypeFiles`].
pub const DIRECTORY: &str = "/run/prototype";
pub const NAME: &str = "prototype";

/// A line is no longer than this.
const LONGEST: usize = 4000;

/// The first path of each file with several, by its inode.
pub type First = BTreeMap<u64, PathBuf>;

/// The entries of a directory by name.
pub fn entries(path: &Path) -> Result<Vec<Vec<u8>>, Failure> {
    let entries = path.read_dir().about(path, "list this directory")?;
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.about(path, "list this directory")?;
        names.push(entry.file_name().as_bytes().to_vec());
    }
    names.sort();
    Ok(names)
}

/// Words for them.
pub fn words_of(
    content: &Content<'_>,
    path: &Path,
    names: &[Vec<u8>],
) -> Result<Vec<Vec<u8>>, Failure> {
    words(names).ok_or_else(|| content.cannot(path, "so many short names with blanks"))
}

/// Whether this is a further name of a file that has another one already.
pub fn is_further(first: &First, path: &Path, metadata: &Metadata) -> bool {
    let known = first.get(&metadata.ino());
    !metadata.is_dir() && metadata.nlink() > 1 && known.is_some_and(|known| known != path)
}

/// Writes the prototype into a directory, with links there to files whose paths have blanks.
pub fn write(content: &Content<'_>, to: &Path) -> Result<First, Failure> {
    let path = to.join(NAME);
    let file = File::create(&path).about(&path, "write a temporary file")?;
    let mut prototype = Prototype {
        content,
        directory: to,
        out: BufWriter::new(file),
        first: First::new(),
        links: 0,
    };
    prototype.say(b"/dev/null\n0 0\n")?;
    prototype.write()?;
    prototype
        .out
        .flush()
        .about(&path, "write a temporary file")?;
    Ok(prototype.first)
}

struct Prototype<'a> {
    content: &'a Content<'a>,
    directory: &'a Path,
    out: BufWriter<File>,
    first: First,
    /// How many links to files there are.
    links: u64,
}

impl Prototype<'_> {
    fn say(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let written = self.out.write_all(bytes);
        written.about(self.directory, "write a temporary file")
    }

    /// A directory's entries follow it, and end with a line of their own.
    fn write(&mut self) -> Result<(), Failure> {
        // What is still to be written: entries with their words, and ends of directories.
        let mut todo = vec![Some((self.content.top.to_owned(), Vec::new()))];
        while let Some(step) = todo.pop() {
            let Some((path, word)) = step else {
                self.say(b"$\n")?;
                continue;
            };
            let metadata = path.symlink_metadata().about(&path, "look at this file")?;
            if !metadata.is_dir() && metadata.nlink() > 1 {
                let first = self.first.entry(metadata.ino());
                first.or_insert_with(|| path.clone());
            }
            let line = self.line(&path, &word, &metadata)?;
            self.say(&line)?;
            if metadata.is_dir() {
                let names = entries(&path)?;
                let words = words_of(self.content, &path, &names)?;
                let named = names.iter().zip(words);
                let named = named.map(|(name, word)| Some((path.join(as_path(name)), word)));
                todo.push(None);
                todo.extend(named.rev());
            }
        }
        Ok(())
    }

    /// Name (none for the root), type and mode, owners, and what belongs to the type.
    fn line(&mut self, path: &Path, word: &[u8], metadata: &Metadata) -> Result<Vec<u8>, Failure> {
        let (letter, rest) = self.kind(path, metadata)?;
        let bit = |bit: u32, letter: char| match metadata.mode() & bit {
            0 => '-',
            _ => letter,
        };
        let (set_user, set_group) = (bit(0o4000, 'u'), bit(0o2000, 'g'));
        let permissions = metadata.mode() & 0o777;
        let (uid, gid) = (metadata.uid(), metadata.gid());
        let mut line = word.to_vec();
        line.extend(
            format!(" {letter}{set_user}{set_group}{permissions:03o} {uid} {gid} ").bytes(),
        );
        line.extend(rest);
        line.push(b'\n');
        match line.len() < LONGEST {
            true => Ok(line),
            false => Err(self.content.cannot(path, "paths as long as this")),
        }
    }

    fn kind(&mut self, path: &Path, metadata: &Metadata) -> Result<(char, Vec<u8>), Failure> {
        let kind = metadata.file_type();
        let further = is_further(&self.first, path, metadata);
        let device = || {
            let device = metadata.rdev();
            format!("{} {}", major(device), minor(device)).into_bytes()
        };
        Ok(match () {
            () if kind.is_dir() => ('d', Vec::new()),
            () if kind.is_file() && further => ('-', b"/dev/null".to_vec()),
            () if kind.is_file() => ('-', self.source(path)?),
            () if kind.is_symlink() && further => ('l', b"x".to_vec()),
            () if kind.is_symlink() => {
                let target = path.read_link().about(path, "read this link")?;
                ('l', word(target.as_os_str().as_bytes()))
            }
            () if kind.is_fifo() => ('p', Vec::new()),
            () if kind.is_char_device() => ('c', device()),
            () if kind.is_block_device() => ('b', device()),
            () => return Err(self.content.cannot(path, "sockets")),
        })
    }

    /// Where mkfs.xfs reads a file.
    fn source(&mut self, path: &Path) -> Result<Vec<u8>, Failure> {
        let shown = Path::new(FILES).join(self.content.inside(path));
        if is_word(shown.as_os_str().as_bytes()) {
            return Ok(shown.as_os_str().as_bytes().to_vec());
        }
        self.links += 1;
        let name = format!("file{}", self.links);
        let link = self.directory.join(&name);
        symlink(&shown, &link).about(&link, "make a link")?;
        Ok(format!("{DIRECTORY}/{name}").into_bytes())
    }
}

/// A name as a path.
pub fn as_path(name: &[u8]) -> &Path {
    Path::new(std::ffi::OsStr::from_bytes(name))
}
