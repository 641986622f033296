//! What one stage got for one run, as far as helpers need it.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Place of a descriptor among those that come with a message, counted from 0.
pub type Position = usize;

/// What a session may use. Directories, devices and sockets come as descriptors; those of directories must lie in a scope of the helper.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// Directories behind contract paths.
    pub directories: Vec<Directory>,
    /// Block devices behind contract paths.
    pub devices: Vec<Device>,
    /// Where tools come from.
    pub build_root: BuildRoot,
    /// Runner that prepares /etc, e.g. `org.osbuild.fedora38`; none: only what every program needs.
    pub runner: Option<String>,
    /// Where the prepared /etc of this build root and runner is kept between stages. None: prepared each time.
    pub runner_cache: Option<RunnerCache>,
    /// Programs of the metadata; exactly these names may be run.
    pub programs: Vec<String>,
    /// Where programs read and write, as far as the directories and devices allow it; none: in all of them.
    pub places: Option<Vec<ProgramPlace>>,
    /// Names of variables that it may set for its programs; `*`: any.
    pub environment: Vec<String>,
    /// Linux capabilities beyond the default set, e.g. `CAP_MAC_ADMIN`: those of its programs in their user namespace, and of the
    /// privileged ones on the machine itself.
    pub capabilities: Vec<String>,
    /// Those of the programs that run with the privileges of the machine instead of in a user namespace.
    pub privileged: Vec<String>,
    /// What its programs may use up.
    pub limits: Limits,
    /// Source epoch of the pipeline in seconds since 1970.
    pub source_epoch: Option<i64>,
    /// Empty directory on a real disk, private to this stage: /etc and /var of its tools, temporary files of the helper.
    pub scratch: Position,
    /// The only way out of the sandbox; none: no network at all.
    pub network: Option<Proxy>,
}

/// A place of programs with all below it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProgramPlace {
    /// Path of the contract, without links and dots.
    pub path: String,
    /// Not for reading only.
    pub writable: bool,
}

/// What the programs of a session may use up, all of them together; none: no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Bytes of memory, files in memory included.
    pub memory: Option<u64>,
    /// Bytes that they add to the granted directories and the scratch directory.
    pub written_bytes: Option<u64>,
    /// Files, directories and the like that they make there.
    pub created_inodes: Option<u64>,
}

/// A granted directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Directory {
    /// Contract path: `/run/osbuild/tree`, `/run/osbuild/inputs/NAME`, `/run/osbuild/mounts`, ...
    pub contract: String,
    /// Where it is.
    pub place: Place,
    /// Whether anything below may be changed.
    pub writable: bool,
}

/// A directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Place {
    /// The directory itself.
    Itself(Position),
    /// This name in the directory, and no link: something may be mounted over it during the session, which a descriptor of itself would
    /// not show.
    In(Position, String),
}

/// A directory that is made when it is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunnerCache {
    /// The directory that has it.
    pub directory: Position,
    /// Its name there.
    pub name: String,
}

/// A granted block device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// Contract path, below `/dev`.
    pub contract: String,
    /// The device node, or a file that stands for it.
    pub node: Position,
}

/// Where tools come from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum BuildRoot<Tree = Position> {
    /// The machine itself: its /usr, read only.
    #[default]
    Host,
    /// A tree made by a build pipeline.
    Directory(Tree),
}

/// An HTTP proxy on a Unix socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proxy {
    /// The socket.
    pub socket: Position,
}

/// A grant with its descriptors: each was opened once, and whatever has its name later does not matter.
#[derive(Clone, Debug, Default)]
pub struct Granted {
    /// What may be used.
    pub grant: Grant,
    /// What the grant counts.
    pub files: Vec<Arc<OwnedFd>>,
}

impl Granted {
    /// Adds a descriptor and says its place.
    pub fn hold(&mut self, file: impl Into<Arc<OwnedFd>>) -> Position {
        self.files.push(file.into());
        self.files.len() - 1
    }
}
