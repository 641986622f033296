//! Unpacking an archive: nothing is written outside of the directory, whatever the archive says.
#![allow(
    clippy::print_stderr,
    reason = "standard error of a component is its log"
)]
use crate::losses::Losses;
use osbuild_stage::name::from_bytes;
use osbuild_stage::{Context, Error, FileType, Result, Timestamp, Tree, bail, path};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use tar::EntryType;

/// What is written at once, and the unit in which holes are found.
const BUFFER: usize = 1 << 20;
const PAGE: usize = 4096;

/// Unpacks what `archive` yields (decompressed) into `tree`, as tar(1) does for root: owners by number, modes and times as stored. Says
/// which extended attributes there are: none are restored.
///
/// Leading slashes of names are dropped; a name with `..` is refused. What is in the way is replaced, directories are kept. Symbolic
/// links that could lead out of the directory are made last, so that no member is written through them.
pub fn extract(archive: impl Read, tree: &Tree) -> Result<Losses> {
    unpack(archive, tree, false)
}

/// As [`extract`], over what layers below have: where one of the two is no directory nothing of the lower one is left, and a directory
/// has the attributes of the upper one only (image specification of OCI, "Applying Changesets").
pub fn extract_layer(archive: impl Read, tree: &Tree) -> Result<Losses> {
    unpack(archive, tree, true)
}

fn unpack(archive: impl Read, tree: &Tree, is_layer: bool) -> Result<Losses> {
    let mut archive = tar::Archive::new(archive);
    let mut losses = Losses::default();
    let mut work = Extraction {
        tree,
        is_layer,
        directories: Vec::new(),
        links: Vec::new(),
    };
    for entry in archive.entries().context("cannot read the archive")? {
        let mut entry = entry.context("cannot read the archive")?;
        let member = Member::read(&mut entry)?;
        let (Some(member), kind) = (member, kind(&entry)) else {
            continue;
        };
        let attributes = member.attributes.iter();
        attributes.for_each(|name| losses.note(name, shown(&member.path)));
        work.add(&member, kind, &mut entry)
            .with_context(|| format!("cannot extract `{}`", member.path))?;
    }
    work.finish()?;
    Ok(losses)
}

/// The directory itself has a name, too.
fn shown(path: &str) -> &str {
    match path {
        "" => ".",
        path => path,
    }
}

/// The type of a member. Archives from before there was a type for directories have a slash after their names.
fn kind(entry: &tar::Entry<'_, impl Read>) -> EntryType {
    match entry.header().entry_type() {
        EntryType::Regular if entry.path_bytes().ends_with(b"/") => EntryType::Directory,
        kind => kind,
    }
}

/// What the headers say of one member.
#[derive(Clone)]
struct Member {
    path: String,
    link: String,
    mode: u32,
    uid: u32,
    gid: u32,
    modified: Timestamp,
    node: (u32, u32),
    /// Size with its holes, for the sparse format of POSIX archives.
    sparse_size: Option<u64>,
    /// Names of its extended attributes.
    attributes: BTreeSet<String>,
}

impl Member {
    /// None for members that only describe others.
    fn read(entry: &mut tar::Entry<'_, impl Read>) -> Result<Option<Self>> {
        if entry.header().entry_type().is_pax_global_extensions() {
            return Ok(None);
        }
        let mut name = from_bytes(&entry.path_bytes());
        let link = entry.link_name_bytes().map(|link| from_bytes(&link));
        let mut modified = Timestamp {
            seconds: i64::try_from(entry.header().mtime()?).unwrap_or(i64::MAX),
            nanoseconds: 0,
        };
        let mut sparse_size = None;
        let mut attributes = BTreeSet::new();
        for record in entry.pax_extensions()?.into_iter().flatten() {
            let record = record?;
            match record.key_bytes() {
                b"mtime" => modified = time(text(record.value_bytes())?).unwrap_or(modified),
                b"GNU.sparse.name" => name = from_bytes(record.value_bytes()),
                b"GNU.sparse.realsize" => sparse_size = text(record.value_bytes())?.parse().ok(),
                b"GNU.sparse.map" | b"GNU.sparse.offset" => {
                    bail!(
                        "`{name}` is stored in the sparse format 0.0 or 0.1: only 1.0 is supported"
                    )
                }
                key => attributes.extend(attribute(key)),
            }
        }
        let header = entry.header();
        let link = link.unwrap_or_default();
        Ok(Some(Self {
            path: inside(&name)?,
            link: match header.entry_type() {
                EntryType::Link => inside(&link)?,
                _ => link,
            },
            mode: header.mode()? & 0o7777,
            uid: id(header.uid()?)?,
            gid: id(header.gid()?)?,
            modified,
            node: (
                header.device_major().ok().flatten().unwrap_or(0),
                header.device_minor().ok().flatten().unwrap_or(0),
            ),
            sparse_size,
            attributes,
        }))
    }
}

/// The extended attribute that a record of this key has.
fn attribute(key: &[u8]) -> Option<String> {
    match key {
        b"RHT.security.selinux" => Some("security.selinux".into()),
        b"SCHILY.acl.access" => Some("system.posix_acl_access".into()),
        b"SCHILY.acl.default" => Some("system.posix_acl_default".into()),
        key => key.strip_prefix(b"SCHILY.xattr.").map(from_bytes),
    }
}

/// A name as a path below the directory.
fn inside(name: &str) -> Result<String> {
    if name.split('/').any(|part| part == "..") {
        bail!("the archive names `{name}`: `..` could lead out of the directory");
    }
    Ok(path::normal(name)[1..].into())
}

/// The text of a record that holds a number.
fn text(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes)
        .map_err(|_| Error::new(format!("`{}` is no number", bytes.escape_ascii())))
}

fn id(id: u64) -> Result<u32> {
    u32::try_from(id).map_err(|_| Error::new(format!("there is no owner {id}")))
}

/// `SECONDS[.FRACTION]`.
fn time(text: &str) -> Option<Timestamp> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let nanoseconds: u32 = format!("{fraction:0<9}").get(..9)?.parse().ok()?;
    let seconds: i64 = seconds.parse().ok()?;
    Some(if text.starts_with('-') && nanoseconds > 0 {
        Timestamp {
            seconds: seconds - 1,
            nanoseconds: 1_000_000_000 - nanoseconds,
        }
    } else {
        Timestamp {
            seconds,
            nanoseconds,
        }
    })
}

struct Extraction<'a> {
    tree: &'a Tree,
    is_layer: bool,
    /// Directories get their times when nothing is added to them any more.
    directories: Vec<(String, Timestamp)>,
    /// Links that are made last, with the inode of the empty file that keeps their place.
    links: Vec<(Member, u64)>,
}

impl Extraction<'_> {
    fn add(&mut self, member: &Member, kind: EntryType, content: &mut impl Read) -> Result<()> {
        if kind == EntryType::Directory {
            return self.directory(member);
        }
        if member.path.is_empty() {
            bail!("the directory itself can only be a directory");
        }
        // What was packed twice is a link to itself the second time.
        if kind == EntryType::Link && self.are_one(&member.link, &member.path)? {
            return Ok(());
        }
        self.make_way(&member.path)?;
        match kind {
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                let holes = kind == EntryType::GNUSparse;
                write(self.tree, member, content, holes)?;
            }
            EntryType::Link => return self.hard_link(member),
            EntryType::Symlink if leads_away(&member.link) => return self.delay(member),
            EntryType::Symlink => self.tree.symlink(&member.link, &member.path)?,
            EntryType::Fifo => self.node(member, FileType::Fifo)?,
            EntryType::Char => self.node(member, FileType::CharacterDevice)?,
            EntryType::Block => self.node(member, FileType::BlockDevice)?,
            other => bail!(
                "members of type {:?} are not supported",
                other.as_byte() as char
            ),
        }
        attributes(self.tree, member, kind == EntryType::Symlink)
    }

    fn directory(&mut self, member: &Member) -> Result<()> {
        let itself = self.tree.exists_itself(&member.path)?;
        let there = itself && self.tree.lstat(&member.path)?.kind == FileType::Directory;
        if !there && !member.path.is_empty() {
            self.make_way(&member.path)?;
            self.tree.create_dir(&member.path)?;
        }
        if there && self.is_layer {
            for name in self.tree.xattrs(&member.path)? {
                self.tree.remove_xattr(&member.path, &name)?;
            }
        }
        self.directories
            .push((member.path.clone(), member.modified));
        attributes(self.tree, member, false)
    }

    /// Another name of a member; of a link that waits, a link that waits too.
    fn hard_link(&mut self, member: &Member) -> Result<()> {
        let mut waiting = self.links.iter();
        match waiting.find(|(link, _)| link.path == member.link) {
            Some((link, _)) => {
                let another = Member {
                    path: member.path.clone(),
                    ..link.clone()
                };
                self.delay(&another)
            }
            None => self.tree.hard_link(&member.link, &member.path),
        }
    }

    fn are_one(&self, one: &str, other: &str) -> Result<bool> {
        if !self.tree.exists_itself(one)? || !self.tree.exists_itself(other)? {
            return Ok(false);
        }
        let (one, other) = (self.tree.lstat(one)?, self.tree.lstat(other)?);
        Ok((one.device, one.inode) == (other.device, other.inode))
    }

    /// Makes the parents, and removes what has the name; a directory only when it is empty or of a layer below.
    fn make_way(&self, path: &str) -> Result<()> {
        self.tree.create_dir_all(path::parent(path))?;
        match self.is_layer {
            true => self.tree.remove_all(path),
            false => self.tree.remove_if_exists(path).map(drop),
        }
    }

    fn node(&self, member: &Member, kind: FileType) -> Result<()> {
        let (major, minor) = member.node;
        self.tree
            .create_node(&member.path, kind, member.mode, major, minor)
    }

    fn delay(&mut self, member: &Member) -> Result<()> {
        self.tree.write_new(&member.path, "")?;
        let inode = self.tree.lstat(&member.path)?.inode;
        self.links.push((member.clone(), inode));
        Ok(())
    }

    /// What waited: links whose place is still free, then the times of directories, the innermost first.
    fn finish(self) -> Result<()> {
        for (member, inode) in &self.links {
            let place = &member.path;
            if self.tree.exists_itself(place)? && self.tree.lstat(place)?.inode == *inode {
                self.tree.remove(place)?;
                self.tree.symlink(&member.link, place)?;
                attributes(self.tree, member, true)?;
            } else {
                eprintln!("{place}: replaced by a later member");
            }
        }
        for (path, modified) in self.directories.iter().rev() {
            if self.tree.exists_itself(path)? {
                self.tree.set_modified(path, *modified)?;
            }
        }
        Ok(())
    }
}

/// Whether the text of a link could lead out of the directory.
fn leads_away(link: &str) -> bool {
    link.starts_with('/') || link.split('/').any(|part| part == "..")
}

/// Owner first: changing it clears set-id bits.
fn attributes(tree: &Tree, member: &Member, link: bool) -> Result<()> {
    tree.set_owner_itself(&member.path, Some(member.uid), Some(member.gid))?;
    if !link {
        tree.set_mode(&member.path, member.mode)?;
    }
    tree.set_modified(&member.path, member.modified)
}

fn write(tree: &Tree, member: &Member, content: &mut impl Read, holes: bool) -> Result<()> {
    tree.write_new(&member.path, "")?;
    let mut file = tree.create(&member.path)?;
    if let Some(size) = member.sparse_size {
        return write_runs(&file, content, size);
    }
    if holes {
        return write_with_holes(&file, content);
    }
    let mut buffer = vec![0; BUFFER];
    loop {
        let length = fill(content, &mut buffer)?;
        if length == 0 {
            return Ok(());
        }
        file.write_all(&buffer[..length])?;
    }
}

/// Writes what is not zero.
fn write_with_holes(file: &osbuild_stage::File, content: &mut impl Read) -> Result<()> {
    let (mut buffer, mut offset) = (vec![0; BUFFER], 0);
    loop {
        let length = fill(content, &mut buffer)?;
        if length == 0 {
            return file.set_size(offset);
        }
        for page in buffer[..length].chunks(PAGE) {
            if page.iter().any(|byte| *byte != 0) {
                file.write_at(offset, page)?;
            }
            offset += page.len() as u64;
        }
    }
}

/// The sparse format 1.0: a map of decimal lines (number of runs; offset and length of each) filled up to a block, then the runs.
fn write_runs(file: &osbuild_stage::File, content: &mut impl Read, size: u64) -> Result<()> {
    let mut content = BufReader::new(content);
    let mut used = 0;
    let mut number = || -> Result<u64> {
        let mut line = String::new();
        used += (&mut content).take(32).read_line(&mut line)?;
        line.trim_end()
            .parse()
            .map_err(|_| Error::new("the map of a sparse file is damaged"))
    };
    let count = number()?;
    let mut runs = Vec::new();
    for _ in 0..count {
        runs.push((number()?, number()?));
    }
    let padding = used.next_multiple_of(super::header::BLOCK) - used;
    content.read_exact(&mut vec![0; padding])?;
    for (mut offset, length) in runs {
        let mut run = (&mut content).take(length);
        let mut buffer = vec![0; BUFFER];
        loop {
            let length = fill(&mut run, &mut buffer)?;
            if length == 0 {
                break;
            }
            file.write_at(offset, &buffer[..length])?;
            offset += length as u64;
        }
    }
    file.set_size(size)
}

/// Fills the buffer unless the content ends before.
fn fill(content: &mut impl Read, buffer: &mut [u8]) -> Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match content.read(&mut buffer[length..])? {
            0 => break,
            read => length += read,
        }
    }
    Ok(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_inside() {
        assert_eq!(inside("/etc//./passwd").unwrap(), "etc/passwd");
        assert_eq!(inside("./").unwrap(), "");
        assert_eq!(inside("a..b/c").unwrap(), "a..b/c");
        for name in ["..", "a/../../b", "/../x"] {
            assert!(inside(name).is_err(), "{name}");
        }
    }

    #[test]
    fn links_that_lead_away_wait() {
        assert!(leads_away("/etc") && leads_away("a/../../b"));
        assert!(!leads_away("usr/lib") && !leads_away("..a"));
    }

    #[test]
    fn times_have_fractions() {
        for (text, expected) in [
            ("12", (12, 0)),
            ("12.5", (12, 500_000_000)),
            ("12.0000000019", (12, 1)),
            ("-1.25", (-2, 750_000_000)),
        ] {
            let time = time(text).unwrap();
            assert_eq!((time.seconds, time.nanoseconds), expected, "{text}");
        }
        assert!(time("x").is_none());
    }
}
