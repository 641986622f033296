//! Walking a tree into an archive.
#![allow(
    clippy::print_stderr,
    reason = "standard error of a component is its log"
)]
use super::header::{Format, Member, TRAILER};
use crate::losses::Losses;
use crate::tar::header::{self as tar, Member as TarMember};
use crate::tar::output::Output;
use crate::tar::pax::Records;
use osbuild_stage::name::to_bytes;
use osbuild_stage::{Context, File, FileType, Metadata, OpenMode, Result, Tree, bail};
use std::collections::HashMap;

/// Archives are a multiple of this long.
const BLOCK: u64 = 512;
/// More than any header with its name.
const HEADER_LIMIT: usize = 8192;

/// How an archive is made.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Format.
    pub format: Format,
    /// Numbers inodes from 1 and leaves device numbers out.
    pub reproducible: bool,
    /// Adds to an existing archive.
    pub append: bool,
    /// Whether the root itself is a member.
    pub root: bool,
    /// Owner of all members; what is not given stays.
    pub owner: Owner,
}

/// A user and a group.
#[derive(Debug, Clone, Copy, Default)]
pub struct Owner {
    /// The user.
    pub uid: Option<u32>,
    /// The group.
    pub gid: Option<u32>,
}

/// Archives everything below `tree` into the file `name` of `to`.
pub fn create(tree: &Tree, to: &Tree, name: &str, options: Options) -> Result<()> {
    let mut writer = Writer {
        tree,
        options,
        output: Output::at(open(to, name, options.append)?, 0),
        inodes: 0,
        numbers: HashMap::new(),
        waiting: HashMap::new(),
        losses: Losses::default(),
    };
    if options.append {
        let (end, inodes) = end_of(&to.open(name)?, options.format)
            .with_context(|| format!("cannot append to {name}"))?;
        writer.output = Output::at(to.open_as(name, OpenMode::Update)?, end);
        writer.inodes = inodes;
    }
    writer.directory("")?;
    writer.finish()
}

fn open(to: &Tree, name: &str, append: bool) -> Result<File> {
    if append {
        to.open_as(name, OpenMode::Update)
    } else {
        to.create(name)
    }
}

/// Where the trailer of an archive is, and the largest inode number before it.
fn end_of(file: &File, format: Format) -> Result<(u64, u64)> {
    let (mut at, mut inodes) = (0, 0);
    loop {
        let bytes = file.read_at(at, HEADER_LIMIT)?;
        if matches!(format, Format::Tar | Format::Ustar) {
            let Some(length) = tar_member_length(&bytes)? else {
                return Ok((at, 0));
            };
            at += length;
            continue;
        }
        match format.read(&bytes) {
            Some(found) if found.name == TRAILER => return Ok((at, inodes)),
            Some(found) => {
                inodes = inodes.max(found.inode);
                at += found.length;
            }
            None => bail!("no member of this format at byte {at}"),
        }
    }
}

/// None at the end of the archive.
fn tar_member_length(bytes: &[u8]) -> Result<Option<u64>> {
    let Some(block) = bytes.get(..tar::BLOCK) else {
        bail!("the archive ends without empty blocks");
    };
    if block.iter().all(|byte| *byte == 0) {
        return Ok(None);
    }
    let digits = String::from_utf8_lossy(&block[124..136]);
    let digits = digits.trim_matches(|c: char| c == '\0' || c == ' ');
    match u64::from_str_radix(digits, 8) {
        Ok(size) => Ok(Some(BLOCK + size.next_multiple_of(BLOCK))),
        Err(_) => bail!("it is no tar archive"),
    }
}

struct Writer<'a> {
    tree: &'a Tree,
    options: Options,
    output: Output<'a>,
    /// The last number given to an inode.
    inodes: u64,
    /// Numbers of inodes with several names.
    numbers: HashMap<(u64, u64), u64>,
    /// Members whose content follows with the last name of their inode.
    waiting: HashMap<(u64, u64), Vec<(String, Member)>>,
    losses: Losses,
}

impl Writer<'_> {
    /// Files of a directory, then itself, then the directories in it. Links to directories are left out, as osbuild does.
    fn directory(&mut self, path: &str) -> Result<()> {
        let mut directories = Vec::new();
        for entry in self.tree.list(path)? {
            let inner = osbuild_stage::path::join(path, &entry.name);
            let inner = inner.trim_start_matches('/').to_owned();
            match entry.kind {
                FileType::Directory => directories.push(inner),
                FileType::SymbolicLink if self.tree.is_dir(&inner)? => {}
                _ => self.add(&inner)?,
            }
        }
        if !path.is_empty() {
            self.add(path)?;
        } else if self.options.root {
            self.add(".")?;
        }
        directories
            .iter()
            .try_for_each(|inner| self.directory(inner))
    }

    fn add(&mut self, path: &str) -> Result<()> {
        if path == TRAILER {
            bail!(
                "`{TRAILER}` is what a cpio archive ends with: a file of that name cannot be in one"
            );
        }
        let metadata = self.tree.lstat(path)?;
        let Some(kind) = kind_bits(metadata.kind) else {
            eprintln!("{path}: socket ignored");
            return Ok(());
        };
        eprintln!("{path}");
        self.losses.note_all(self.tree, path)?;
        if matches!(self.options.format, Format::Tar | Format::Ustar) {
            return self.add_tar(path, &metadata);
        }
        let member = self.member(path, &metadata, kind);
        let inode = (metadata.device, metadata.inode);
        let deferring = matches!(self.options.format, Format::Newc | Format::Crc);
        if deferring && metadata.kind == FileType::Regular && metadata.links > 1 {
            let names = self.waiting.entry(inode).or_default();
            names.push((path.to_owned(), member));
            if names.len() as u64 == metadata.links {
                let names = self.waiting.remove(&inode).unwrap_or_default();
                return self.write_names(names);
            }
            return Ok(());
        }
        self.write(path, member, &metadata)
    }

    fn member(&mut self, path: &str, metadata: &Metadata, kind: u32) -> Member {
        let owner = self.options.owner;
        let (device, inode) = if self.options.reproducible {
            ((0, 0), self.number(metadata))
        } else {
            let (major, minor) = (metadata.device >> 8, metadata.device & 0xff);
            ((major as u32 & 0xfff, minor as u32), metadata.inode)
        };
        let size = match metadata.kind {
            FileType::Regular | FileType::SymbolicLink => metadata.size,
            _ => 0,
        };
        Member {
            name: path.into(),
            mode: kind | metadata.mode,
            uid: owner.uid.unwrap_or(metadata.uid),
            gid: owner.gid.unwrap_or(metadata.gid),
            links: metadata.links,
            modified: metadata.modified.seconds,
            size,
            device,
            inode,
            node: metadata.node,
            sum: 0,
        }
    }

    /// The number of an inode: the same for all its names.
    fn number(&mut self, metadata: &Metadata) -> u64 {
        let inodes = &mut self.inodes;
        let mut next = || {
            *inodes += 1;
            *inodes
        };
        if metadata.links < 2 || metadata.kind == FileType::Directory {
            return next();
        }
        *self
            .numbers
            .entry((metadata.device, metadata.inode))
            .or_insert_with(next)
    }

    /// All names of an inode: the last one has the content.
    fn write_names(&mut self, mut names: Vec<(String, Member)>) -> Result<()> {
        let Some((path, last)) = names.pop() else {
            return Ok(());
        };
        for (_, member) in names {
            let empty = Member { size: 0, ..member };
            self.output.put(&empty.bytes(self.options.format)?)?;
        }
        let metadata = self.tree.lstat(&path)?;
        self.write(&path, last, &metadata)
    }

    fn write(&mut self, path: &str, mut member: Member, metadata: &Metadata) -> Result<()> {
        let (format, unit) = (self.options.format, self.options.format.unit() as u64);
        match metadata.kind {
            FileType::SymbolicLink => {
                let text = self.tree.read_link(path)?;
                let text = to_bytes(&text);
                member.size = text.len() as u64;
                self.output.put(&member.bytes(format)?)?;
                self.output.put(&text)?;
            }
            FileType::Regular if member.size > 0 => {
                let file = self.tree.open(path)?;
                if format == Format::Crc {
                    member.sum = sum(&file)?;
                }
                self.output.put(&member.bytes(format)?)?;
                self.output.put_file(&file, 0, member.size)?;
            }
            _ => return self.output.put(&member.bytes(format)?),
        }
        let missing = member.size.next_multiple_of(unit) - member.size;
        self.output
            .put(&vec![0; usize::try_from(missing).unwrap_or(0)])
    }

    fn add_tar(&mut self, path: &str, metadata: &Metadata) -> Result<()> {
        let format = match self.options.format {
            Format::Ustar => tar::Format::Ustar,
            _ => tar::Format::V7,
        };
        let owner = self.options.owner;
        let mut member = TarMember {
            name: path.into(),
            mode: metadata.mode,
            uid: owner.uid.unwrap_or(metadata.uid),
            gid: owner.gid.unwrap_or(metadata.gid),
            modified: metadata.modified.seconds,
            node: metadata.node,
            kind: b'0',
            ..TarMember::default()
        };
        match metadata.kind {
            FileType::Regular => member.size = metadata.size,
            FileType::Directory => {
                member.kind = b'5';
                member.name.push('/');
            }
            FileType::SymbolicLink => {
                member.kind = b'2';
                member.link = self.tree.read_link(path)?;
            }
            FileType::CharacterDevice => member.kind = b'3',
            FileType::BlockDevice => member.kind = b'4',
            FileType::Fifo | FileType::Socket => member.kind = b'6',
        }
        if self.options.format == Format::Tar && !matches!(member.kind, b'0' | b'2' | b'5') {
            bail!("{path}: the archive format tar has no devices and fifos");
        }
        self.output
            .put(&member.blocks(format, Records::default())?)?;
        if member.size > 0 {
            let file = self.tree.open(path)?;
            self.output.put_file(&file, 0, member.size)?;
        }
        self.output.fill_block()
    }

    fn finish(mut self) -> Result<()> {
        // Files with names outside of the archive, in a fixed order.
        let mut rest: Vec<_> = std::mem::take(&mut self.waiting).into_values().collect();
        rest.sort_by(|a, b| a[0].0.cmp(&b[0].0));
        for names in rest {
            self.write_names(names)?;
        }
        match self.options.format {
            Format::Tar | Format::Ustar => self.output.put(&[0; 2 * tar::BLOCK])?,
            format => self.output.put(&Member::trailer().bytes(format)?)?,
        }
        self.losses.log();
        self.output.end(BLOCK)
    }
}

/// Type of a file in its mode.
fn kind_bits(kind: FileType) -> Option<u32> {
    Some(match kind {
        FileType::Fifo => 0o010_000,
        FileType::CharacterDevice => 0o020_000,
        FileType::Directory => 0o040_000,
        FileType::BlockDevice => 0o060_000,
        FileType::Regular => 0o100_000,
        FileType::SymbolicLink => 0o120_000,
        FileType::Socket => return None,
    })
}

fn sum(file: &File) -> Result<u32> {
    let (mut sum, mut offset) = (0_u32, 0);
    loop {
        let bytes = file.read_at(offset, 1 << 20)?;
        if bytes.is_empty() {
            return Ok(sum);
        }
        sum = bytes
            .iter()
            .fold(sum, |sum, byte| sum.wrapping_add(u32::from(*byte)));
        offset += bytes.len() as u64;
    }
}
