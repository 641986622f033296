//! Virtual machines: what the runtime asks its helper for, and what the first process of a machine is told.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Boots a machine. Comes with the descriptor that takes what the machine says on its serial port of virtio, which is its standard
/// output; answered with [`Outcome`](crate::Outcome) when the machine is off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Boot {
    /// Contract path of the kernel.
    pub kernel: String,
    /// Contract path of the archive with the first files of the machine.
    pub initrd: String,
    /// What the kernel is told.
    pub command_line: String,
    /// Contract path of the file that is its disk; a file system is made on it.
    pub disk: String,
    /// Contract path of the file that takes what its console says.
    pub console: String,
    /// Memory in MiB.
    pub memory: u64,
    /// Number of processors.
    pub processors: usize,
    /// By the processor's own means (KVM), not by emulation.
    pub accelerated: bool,
    /// Directories that it sees.
    pub shares: Vec<Share>,
}

/// A directory that a machine sees as a file system of type 9p.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// What the machine calls it.
    pub tag: String,
    /// Contract path of a granted directory; none: the /usr of this machine, which is never writable.
    pub path: Option<String>,
    /// Whether the machine may change it; the grant decides too.
    pub writable: bool,
}

/// What the first process of a machine does: it reads this from [`FirstSteps::PATH`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FirstSteps {
    /// Files of modules of the kernel, in the order of loading.
    pub modules: Vec<PathBuf>,
    /// Symbolic links of the root directory: text and name.
    pub links: Vec<(PathBuf, PathBuf)>,
    /// The shares, in the order of mounting.
    pub mounts: Vec<ShareMount>,
    /// Where the disk is mounted.
    pub disk: PathBuf,
    /// Directory of the directory `lib/modules` with the modules that the kernel asks for later; none: those of /usr.
    pub modules_root: Option<PathBuf>,
    /// The program and its arguments; the machine is switched off when it ends.
    pub program: Vec<PathBuf>,
}

/// Where a share is mounted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShareMount {
    /// What the machine calls it.
    pub tag: String,
    /// Absolute path.
    pub target: PathBuf,
    /// Whether it can be changed.
    pub writable: bool,
}

impl FirstSteps {
    /// Where the first process finds this.
    pub const PATH: &str = "/first-steps.json";

    /// Word of the helper's command line that makes it the first process of a machine.
    pub const WORD: &str = "first-process";
}
