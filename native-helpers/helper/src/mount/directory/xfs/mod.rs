//! XFS of a directory, by the prototype of mkfs.xfs(8). What a prototype does not say is put into the image afterwards: room for attributes
//! by xfs_db(8), and their values, times, modes, names and targets with blanks, and further names of files byte by byte (see [`disk`]).
//! Where that leaves indices or counts that do not fit, xfs_repair(8) makes them anew.

mod attributes;
mod disk;
mod holes;
mod index;
mod inode;
mod names;
mod prototype;

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::fs::{File, Metadata};
use std::io::{self, BufWriter, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use osbuild_wasm_protocol::{ErrorCode, Failure};
use rustix::fs::lgetxattr;

use self::disk::{Disk, Entry, Field};
use self::inode::Inode;
use self::names::is_word;
use self::prototype::{First, as_path, entries, is_further, words_of};
use super::content::{Content, attributes};
use super::fold::Folds;
use super::{IMAGE, Maker, Script, files, shown};
use crate::device::Node;
use crate::failure::About;
use crate::sandbox::Shown;
use crate::session::Session;

const COMMANDS: &str = "/run/commands";

/// The seconds from the first moment that an inode knows to 1970.
const BEFORE_1970: i128 = 1 << 31;

/// Bytes of the largest value of an attribute.
const VALUE: usize = 64 << 10;

/// Holes are whole units of this many bytes, as large as the largest block, and a file has so many parts between them that its inode has room
/// for their extents.
const UNIT: u64 = 64 << 10;
const PARTS: usize = 10;

/// The namespaces of attributes: how they begin, the option of xfs_db, and the flags of an entry.
const NAMESPACES: [(&[u8], &str, u64); 2] = [(b"user.", "-u", 0), (b"security.", "-s", 4)];

/// Makes the file system.
pub fn make(
    maker: &Maker,
    session: &Session,
    content: &Content<'_>,
    image: &Node,
) -> Result<(), Failure> {
    let folds = Folds::of(content, UNIT, PARTS)?;
    let formatted = format(maker, session, content, image);
    folds
        .unfold()
        .about(maker.program, "give files their holes back")?;
    let first = formatted?;
    let disk = Disk::open(&image.path).about(maker.program, "read what it made")?;
    let disk = disk.ok_or_else(|| content.cannot(&content.top, "another version of XFS than 5"))?;
    let filling = Filling {
        content,
        disk,
        first,
    };
    filling.check_times()?;
    filling.unfold(&folds)?;
    filling.make_attributes(maker, session, image)?;
    if filling.correct()? {
        let arguments = ["-f", IMAGE].map(OsString::from).into();
        maker.run(session, "xfs_repair", arguments, vec![shown(image)?])?;
    }
    filling.complete()
}

fn format(
    maker: &Maker,
    session: &Session,
    content: &Content<'_>,
    image: &Node,
) -> Result<First, Failure> {
    let script = Script::new(session)?;
    let first = prototype::write(content, script.directory())?;
    let path = format!("{}/{}", prototype::DIRECTORY, prototype::NAME);
    let mut arguments = maker.arguments.clone();
    arguments.extend(["-p", &path].map(OsString::from));
    let prototype = Shown::own(script.directory(), prototype::DIRECTORY, true)?;
    let all = vec![prototype, files(content.directory)?, shown(image)?];
    maker.run(session, maker.program, arguments, all)?;
    Ok(first)
}

/// A file system that was made by a prototype.
struct Filling<'a> {
    content: &'a Content<'a>,
    disk: Disk,
    first: First,
}

/// A file of the directory, and what it is in the image.
struct Found<'a> {
    path: &'a Path,
    metadata: &'a Metadata,
    inode: &'a Inode,
    number: u64,
    /// None: the root.
    entry: Option<&'a Entry>,
    /// What its name was before it became a word.
    name: &'a [u8],
}

/// Another name of a file: the entry, the file, and the inode that stands for it.
struct Further {
    field: Field,
    file: u64,
    number: u64,
}

impl Filling<'_> {
    /// Calls `visit` with everything that is in both; `words` says that names are still words.
    fn visit(
        &self,
        words: bool,
        visit: &mut dyn FnMut(&Found<'_>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let top = self.content.top.as_path();
        self.visit_one(top, self.disk.root(), (None, b""), visit)?;
        let mut todo = vec![(top.to_owned(), self.disk.root())];
        while let Some((path, number)) = todo.pop() {
            let names = entries(&path)?;
            let told = match words {
                true => words_of(self.content, &path, &names)?,
                false => names.clone(),
            };
            let inode = self
                .disk
                .inode(number)
                .about(&path, "find this directory")?;
            let found = self
                .disk
                .entries(&inode)
                .about(&path, "list this directory")?;
            let mut found: HashMap<_, _> = found
                .into_iter()
                .map(|entry| (entry.name.clone(), entry))
                .collect();
            for (name, told) in names.iter().zip(&told) {
                let path = path.join(as_path(name));
                let missing = || io::Error::from(io::ErrorKind::NotFound);
                let entry = found.remove(told).ok_or_else(missing);
                let entry = entry.about(&path, "find this file in the image")?;
                if self.visit_one(&path, entry.inode, (Some(&entry), name), visit)? {
                    todo.push((path, entry.inode));
                }
            }
        }
        Ok(())
    }

    /// Visits one; whether it is a directory.
    fn visit_one(
        &self,
        path: &Path,
        number: u64,
        (entry, name): (Option<&Entry>, &[u8]),
        visit: &mut dyn FnMut(&Found<'_>) -> Result<(), Failure>,
    ) -> Result<bool, Failure> {
        let metadata = path.symlink_metadata().about(path, "look at this file")?;
        let inode = self
            .disk
            .inode(number)
            .about(path, "find this file in the image")?;
        visit(&Found {
            path,
            metadata: &metadata,
            inode: &inode,
            number,
            entry,
            name,
        })?;
        Ok(metadata.is_dir())
    }

    fn check_times(&self) -> Result<(), Failure> {
        let root = self.disk.inode(self.disk.root());
        let is_long = root.and_then(|root| root.has_long_times());
        match is_long.about("", "look at the root directory")? {
            true => Ok(()),
            false => Err(self
                .content
                .cannot(&self.content.top, "times as 32-bit numbers")),
        }
    }

    /// Gives files the holes that they were read without.
    fn unfold(&self, folds: &Folds) -> Result<(), Failure> {
        if folds.is_empty() {
            return Ok(());
        }
        self.visit(true, &mut |found| {
            let is_further = is_further(&self.first, found.path, found.metadata);
            let fold = folds.get(found.metadata.ino()).filter(|_| !is_further);
            let Some(fold) = fold else { return Ok(()) };
            let unfolded = self.disk.unfold(found.inode, fold);
            match unfolded.about(found.path, "write this into the image")? {
                true => Ok(()),
                false => Err(self
                    .content
                    .cannot(found.path, "files with holes in so many extents")),
            }
        })
    }

    /// Makes room for the values of attributes.
    fn make_attributes(
        &self,
        maker: &Maker,
        session: &Session,
        image: &Node,
    ) -> Result<(), Failure> {
        let script = Script::new(session)?;
        let path = script.path();
        let file = File::create(&path).about(&path, "write a temporary file")?;
        let mut out = BufWriter::new(file);
        let mut is_empty = true;
        self.visit(true, &mut |found| {
            for attribute in self.attributes(found)? {
                let Attribute {
                    option,
                    name,
                    value,
                    ..
                } = attribute;
                is_empty = false;
                let mut line = format!(
                    "inode {}\nattr_set {option} -v {} ",
                    found.number,
                    // Nothing means to xfs_db to remove it.
                    value.len().max(1)
                )
                .into_bytes();
                line.extend(name);
                line.push(b'\n');
                out.write_all(&line)
                    .about(&path, "write a temporary file")?;
            }
            Ok(())
        })?;
        out.flush().about(&path, "write a temporary file")?;
        if is_empty {
            return Ok(());
        }
        let arguments = ["-x", "-f", "-c", "source /run/commands", IMAGE];
        let arguments = arguments.map(OsString::from).into();
        let commands = Shown::own(&path, COMMANDS, true)?;
        let printed = maker.run(session, "xfs_db", arguments, vec![commands, shown(image)?])?;
        // It ends with 0 whatever happened, and says nothing of what worked.
        match printed.lines().find(|line| !line.is_empty()) {
            None => Ok(()),
            Some(line) => Err(Failure::new(ErrorCode::Io, "", format!("xfs_db: {line}"))),
        }
    }

    /// The attributes that a file gets in the image.
    fn attributes(&self, found: &Found<'_>) -> Result<Vec<Attribute>, Failure> {
        let (path, content) = (found.path, self.content);
        if is_further(&self.first, path, found.metadata) {
            return Ok(Vec::new());
        }
        let names = attributes(path)?;
        let names = names
            .split(|byte| *byte == 0)
            .filter(|name| !name.is_empty());
        let attribute = |full: &[u8]| {
            let mut spaces = NAMESPACES.iter();
            let space = spaces.find_map(|(prefix, option, flags)| {
                Some((full.strip_prefix(*prefix)?, *option, *flags))
            });
            let Some((name, option, flags)) = space else {
                return Err(
                    content.cannot(path, "attributes of other kinds, as access control lists")
                );
            };
            let plain = |byte: &u8| byte.is_ascii_graphic() && !b"\"'\\;#".contains(byte);
            if !is_word(name) || !name.iter().all(plain) || name[0] == b'-' {
                return Err(content.cannot(path, "attributes with names like this"));
            }
            let mut value = Vec::with_capacity(VALUE);
            lgetxattr(path, full, rustix::buffer::spare_capacity(&mut value))
                .about(path, "read an attribute")?;
            Ok(Attribute {
                option,
                flags,
                name: name.to_vec(),
                value,
            })
        };
        names.map(attribute).collect()
    }

    /// Puts right what the prototype said in other words; whether indices and counts are to be made anew.
    fn correct(&self) -> Result<bool, Failure> {
        let mut is_changed = false;
        let mut numbers = BTreeMap::new();
        let mut further = Vec::new();
        let mut blocks = BTreeMap::new();
        self.visit(true, &mut |found| {
            let (path, metadata) = (found.path, found.metadata);
            let file = metadata.ino();
            if is_further(&self.first, path, metadata) {
                let field = found.entry.map(|entry| entry.inode_field);
                let number = found.number;
                further.extend(field.map(|field| Further {
                    field,
                    file,
                    number,
                }));
            } else {
                if self.first.contains_key(&file) {
                    numbers.insert(file, found.number);
                }
                self.correct_target(found)?;
            }
            if let Some(entry) = found.entry.filter(|entry| entry.name != found.name) {
                is_changed = true;
                blocks.insert(entry.name_field.of.at, entry.name_field.of);
                self.write(path, &[(entry.name_field, found.name)])?;
            }
            Ok(())
        })?;
        for block in blocks.into_values() {
            let indexed = self.disk.index(block);
            indexed.about("", "write the index of a directory into the image")?;
        }
        for further in &further {
            is_changed = true;
            self.join(further, &numbers)?;
        }
        Ok(is_changed)
    }

    fn write(&self, path: &Path, fields: &[(Field, &[u8])]) -> Result<(), Failure> {
        self.disk
            .write(fields)
            .about(path, "write this into the image")
    }

    fn correct_target(&self, found: &Found<'_>) -> Result<(), Failure> {
        if !found.metadata.is_symlink() {
            return Ok(());
        }
        let target = found.path.read_link().about(found.path, "read this link")?;
        let written = self
            .disk
            .write_target(found.inode, target.as_os_str().as_bytes());
        match written.about(found.path, "write the target of this link")? {
            true => Ok(()),
            false => Err(self
                .content
                .cannot(found.path, "targets of links as long as this")),
        }
    }

    /// Writes a value that is in several pieces.
    fn write_all(&self, path: &Path, fields: &[Field], value: &[u8]) -> Result<(), Failure> {
        if fields.iter().map(|field| field.length).sum::<usize>() != value.len() {
            let error = io::Error::other("it has another size in the image");
            return Err(error).about(path, "write this into the image");
        }
        let mut rest = value;
        for field in fields {
            let (here, later) = rest.split_at(field.length);
            self.write(path, &[(*field, here)])?;
            rest = later;
        }
        Ok(())
    }

    /// Makes an entry a name of the file that it is one of, and frees what stood for it.
    fn join(&self, further: &Further, numbers: &BTreeMap<u64, u64>) -> Result<(), Failure> {
        let path: &Path = self
            .first
            .get(&further.file)
            .map_or(Path::new(""), PathBuf::as_path);
        let missing = || io::Error::from(io::ErrorKind::NotFound);
        let number = numbers.get(&further.file).ok_or_else(missing);
        let number = number
            .about(path, "find this file in the image")?
            .to_be_bytes();
        let (before, number) = number.split_at(number.len() - further.field.length);
        if before.iter().any(|byte| *byte != 0) {
            return Err(self
                .content
                .cannot(path, "hard links across so large a file system"));
        }
        let inode = self.disk.inode(further.number);
        let inode = inode.about(path, "find this file in the image")?;
        self.write(path, &[(further.field, number), (inode.mode(), &[0, 0])])
    }

    /// Gives everything its mode, time and attributes.
    fn complete(&self) -> Result<(), Failure> {
        self.visit(false, &mut |found| {
            let (path, metadata) = (found.path, found.metadata);
            self.complete_attributes(found)?;
            let mode = u16::try_from(metadata.mode()).unwrap_or_default();
            let time = time(metadata.mtime(), metadata.mtime_nsec());
            let fields: [(Field, &[u8]); 2] = [
                (found.inode.mode(), &mode.to_be_bytes()),
                (found.inode.modified(), &time.to_be_bytes()),
            ];
            self.write(path, &fields)
        })
    }

    /// Gives attributes their values, and takes the byte away that stands for none.
    fn complete_attributes(&self, found: &Found<'_>) -> Result<(), Failure> {
        let path = found.path;
        let attributes = self.attributes(found)?;
        let (empty, others): (Vec<_>, Vec<_>) =
            attributes.iter().partition(|of| of.value.is_empty());
        for Attribute {
            flags, name, value, ..
        } in others
        {
            let fields = self.disk.value(found.inode, *flags, name);
            let fields = fields.about(path, "find an attribute in the image")?;
            self.write_all(path, &fields, value)?;
        }
        for Attribute { flags, name, .. } in empty {
            // Those before have moved what follows them.
            let inode = self.disk.inode(found.number);
            let emptied = inode.and_then(|inode| self.disk.empty_value(&inode, *flags, name));
            emptied.about(path, "take the value of an attribute away")?;
        }
        Ok(())
    }
}

/// An attribute, and how xfs_db and the image call its namespace.
struct Attribute {
    option: &'static str,
    flags: u64,
    name: Vec<u8>,
    value: Vec<u8>,
}

/// A time as inodes with `bigtime` keep it: nanoseconds since 1901.
fn time(seconds: i64, nanoseconds: i64) -> u64 {
    let time = (i128::from(seconds) + BEFORE_1970) * 1_000_000_000 + i128::from(nanoseconds);
    u64::try_from(time.max(0)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_counted_from_1901() {
        assert_eq!(time(1_700_000_000, 123_456_789), 3_847_483_648_123_456_789);
        assert_eq!(time(-BEFORE_1970 as i64, 0), 0);
        assert_eq!(time(i64::MIN, 0), 0);
    }
}
