//! Walking a tree into an archive.
#![allow(
    clippy::print_stderr,
    reason = "standard error of a component is its log"
)]
use super::header::{BLOCK, Member};
use super::output::Output;
use super::pax::{Records, Wanted};
use super::transform::{Scope, Transform};
use super::{Format, sparse};
use crate::accounts::Table;
use crate::compress::{Compressor, Method};
use osbuild_stage::{Context, File, FileType, Metadata, Result, Tree, bail};
use std::collections::HashMap;
use std::io::{BufWriter, Write};

/// How an archive is made.
#[derive(Debug, Clone)]
pub struct Options {
    /// Format; extended attributes of any kind make it POSIX, as with GNU tar.
    pub format: Format,
    /// Compression.
    pub compression: Method,
    /// Store access control lists.
    pub acls: bool,
    /// Store SELinux labels.
    pub selinux: bool,
    /// Store extended attributes whose names begin with one of these.
    pub xattrs: &'static [&'static str],
    /// Leave holes out.
    pub sparse: bool,
    /// Store no names of users and groups.
    pub numeric_owner: bool,
    /// Change of names.
    pub transform: Transform,
}

/// Archives `members` of `tree`, each with all below it, into `file`. Names of users and groups are those of the tree.
pub fn create(tree: &Tree, members: &[String], file: File, options: &Options) -> Result<()> {
    if options.compression == Method::None {
        return write(tree, members, Output::at(file, 0), options);
    }
    let file = BufWriter::with_capacity(256 << 10, file);
    let mut stream = Compressor::new(options.compression, file)?;
    write(tree, members, Output::through(&mut stream), options)?;
    Ok(stream.finish()?.flush()?)
}

/// As [`create`], into a stream, without the compression of `options`.
pub fn create_through(
    tree: &Tree,
    members: &[String],
    stream: &mut dyn Write,
    options: &Options,
) -> Result<()> {
    write(tree, members, Output::through(stream), options)
}

fn write<'a>(
    tree: &'a Tree,
    members: &[String],
    output: Output<'a>,
    options: &'a Options,
) -> Result<()> {
    let wanted = Wanted {
        acls: options.acls,
        selinux: options.selinux,
        xattrs: options.xattrs,
    };
    let format = if wanted.any() {
        Format::Posix
    } else {
        options.format
    };
    if options.sparse && matches!(format, Format::Ustar | Format::V7) {
        bail!("holes can be left out of archives of the formats gnu, oldgnu and posix only");
    }
    let mut writer = Writer {
        tree,
        options,
        format,
        wanted,
        users: names(tree, "etc/passwd")?,
        groups: names(tree, "etc/group")?,
        links: HashMap::new(),
        output,
    };
    for member in members {
        if member.starts_with('/') || member.split('/').any(|part| part == "..") {
            bail!("`{member}` leads out of the tree");
        }
        writer
            .add(member.trim_end_matches('/'))
            .with_context(|| format!("cannot archive `{member}`"))?;
    }
    writer.output.finish()
}

fn names(tree: &Tree, path: &str) -> Result<Table> {
    Ok(Table::read_if_exists(tree, path)?.unwrap_or_default())
}

struct Writer<'a> {
    tree: &'a Tree,
    options: &'a Options,
    format: Format,
    wanted: Wanted,
    users: Table,
    groups: Table,
    /// Where the first name of an inode with several went.
    links: HashMap<(u64, u64), String>,
    output: Output<'a>,
}

impl Writer<'_> {
    fn add(&mut self, path: &str) -> Result<()> {
        let metadata = self.tree.lstat(path)?;
        if metadata.kind == FileType::Socket {
            eprintln!("{path}: socket ignored");
            return Ok(());
        }
        self.add_one(path, &metadata)?;
        if metadata.kind == FileType::Directory {
            for entry in self.tree.list(path)? {
                self.add(&format!("{path}/{}", entry.name))?;
            }
        }
        Ok(())
    }

    fn add_one(&mut self, path: &str, metadata: &Metadata) -> Result<()> {
        let mut member = self.member(path, metadata)?;
        let mut records = Records::default();
        if self.format == Format::Posix
            && metadata.modified.nanoseconds != 0
            && metadata.modified.seconds >= 0
        {
            let time = format!(
                "{}.{:09}",
                metadata.modified.seconds, metadata.modified.nanoseconds
            );
            records.push("mtime", time.trim_end_matches('0').as_bytes());
        }
        if metadata.kind == FileType::Directory || metadata.links < 2 {
            return self.write(path, member, records);
        }
        let inode = (metadata.device, metadata.inode);
        if let Some(first) = self.links.get(&inode) {
            member.link = self.options.transform.apply(first, Scope::HardLink);
            member.kind = b'1';
            member.size = 0;
            return self.output.put(&member.blocks(self.format, records)?);
        }
        self.links.insert(inode, path.to_owned());
        self.write(path, member, records)
    }

    fn member(&self, path: &str, metadata: &Metadata) -> Result<Member> {
        let (kind, link) = match metadata.kind {
            FileType::Regular => (b'0', String::new()),
            FileType::SymbolicLink => (
                b'2',
                self.options
                    .transform
                    .apply(&self.tree.read_link(path)?, Scope::SymbolicLink),
            ),
            FileType::CharacterDevice => (b'3', String::new()),
            FileType::BlockDevice => (b'4', String::new()),
            FileType::Directory => (b'5', String::new()),
            FileType::Fifo => (b'6', String::new()),
            FileType::Socket => bail!("{path}: sockets cannot be archived"),
        };
        if self.format == Format::V7 && matches!(kind, b'3' | b'4' | b'6') {
            bail!("{path}: the archive format v7 has no devices and fifos");
        }
        let mut name = self.options.transform.apply(path, Scope::Name);
        if kind == b'5' && !name.ends_with('/') {
            name.push('/');
        }
        let (user, group) = self.owner(metadata);
        Ok(Member {
            name,
            mode: metadata.mode,
            uid: metadata.uid,
            gid: metadata.gid,
            size: if kind == b'0' { metadata.size } else { 0 },
            modified: metadata.modified.seconds,
            kind,
            link,
            user,
            group,
            node: metadata.node,
        })
    }

    fn owner(&self, metadata: &Metadata) -> (String, String) {
        if self.options.numeric_owner {
            return Default::default();
        }
        let name = |table: &Table, id| match table.entry_of_id(id) {
            Some(entry) => entry[0].clone(),
            None if id == 0 => "root".into(),
            None => String::new(),
        };
        (
            name(&self.users, metadata.uid),
            name(&self.groups, metadata.gid),
        )
    }

    /// Header and content; only the first name of an inode carries its attributes.
    fn write(&mut self, path: &str, member: Member, mut records: Records) -> Result<()> {
        self.wanted.collect(self.tree, path, &mut records)?;
        if member.size == 0 {
            return self.output.put(&member.blocks(self.format, records)?);
        }
        let file = self.tree.open(path)?;
        if self.options.sparse
            && let Some(map) = sparse::find_holes(&file, member.size)?
        {
            return self.write_sparse(&file, member, records, &map);
        }
        let size = member.size;
        self.output.put(&member.blocks(self.format, records)?)?;
        self.output.put_file(&file, 0, size)?;
        self.output.fill_block()
    }

    fn write_sparse(
        &mut self,
        file: &File,
        mut member: Member,
        mut records: Records,
        map: &sparse::Map,
    ) -> Result<()> {
        let size = std::mem::replace(&mut member.size, sparse::data_size(map));
        if self.format == Format::Posix {
            let text = sparse::posix_map(&mut records, map, size, &member.name);
            member.size += text.len() as u64;
            let (directory, name) = member.name.rsplit_once('/').unwrap_or((".", &member.name));
            member.name = format!("{directory}/GNUSparseFile.0/{name}");
            self.output.put(&member.blocks(self.format, records)?)?;
            self.output.put(&text)?;
        } else {
            member.kind = b'S';
            let name = member.name.clone();
            let mut header = member.blocks(self.format, records)?;
            sparse::gnu_map(&mut header, map, size, &name)?;
            debug_assert_eq!(header.len() % BLOCK, 0);
            self.output.put(&header)?;
        }
        for (offset, length) in map {
            self.output.put_file(file, *offset, *length)?;
        }
        self.output.fill_block()
    }
}
