//! Trees on their way through a file system that cannot have all that they have: a listing with everything but the contents of regular
//! files, and these, each a plain file with a number for a name. Nobody's right to own, to set or to make something is asked for until the
//! tree is put together again.

mod pack;
mod unpack;

pub use pack::pack_tree;
use rustix::fs::Stat;
use serde::{Deserialize, Serialize};
pub use unpack::unpack_tree;

/// Name of the listing: lines of JSON, a directory before what is in it.
const LISTING: &str = "listing";
/// Name of the directory of contents.
const CONTENTS: &str = "contents";

/// Bytes of a line at most; the attributes of one file are in it.
const LINE: u64 = 64 << 20;

/// One line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum Line {
    /// A directory, the tree itself first; what follows is in it until its end.
    Directory(Entry),
    /// The end of the directory that began last.
    End,
    /// A regular file, with the number of its content.
    File(Entry, u64),
    /// A symbolic link, with its text.
    Link(Entry, String),
    /// A device node, FIFO or socket.
    Node(Entry),
    /// A further name of something that was listed: its name and inode.
    Name(String, u64),
}

/// Name and metadata. Names and texts of bytes are written as [`crate::name_to_text`] does.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Entry {
    name: String,
    /// As in `st_mode`, the kind included.
    mode: u32,
    owner: u32,
    group: u32,
    /// Of a device node.
    device: u64,
    /// Tells things with several names apart.
    inode: u64,
    /// Whether it has several names.
    shared: bool,
    /// Seconds since 1970 and nanoseconds.
    accessed: (i64, u64),
    modified: (i64, u64),
    /// Extended attributes: names, and values in hexadecimal digits.
    attributes: Vec<(String, String)>,
}

impl Entry {
    fn new(name: String, stat: &Stat, attributes: Vec<(String, String)>) -> Self {
        Self {
            name,
            mode: stat.st_mode,
            owner: stat.st_uid,
            group: stat.st_gid,
            device: stat.st_rdev,
            inode: stat.st_ino,
            shared: stat.st_nlink > 1,
            accessed: (stat.st_atime, stat.st_atime_nsec as _),
            modified: (stat.st_mtime, stat.st_mtime_nsec as _),
            attributes,
        }
    }

    /// What the kernel would say of it; the rest is that of `other`.
    fn stat(&self, other: &Stat) -> Stat {
        let mut stat = *other;
        stat.st_mode = self.mode;
        stat.st_uid = self.owner;
        stat.st_gid = self.group;
        stat.st_rdev = self.device;
        stat.st_ino = self.inode;
        stat.st_atime = self.accessed.0;
        stat.st_atime_nsec = self.accessed.1 as _;
        stat.st_mtime = self.modified.0;
        stat.st_mtime_nsec = self.modified.1 as _;
        stat
    }
}
