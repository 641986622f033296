//! What one component got for one run.
use crate::interface::Interface;
use crate::rights::Rights;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

/// What may be done below a root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Verb `read` only.
    Read,
    /// All verbs.
    Write,
}

/// A directory (or one file, e.g. a device node) of the host under its contract path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// The path that component, helpers and tools use.
    pub contract: String,
    /// Where it is on this machine.
    pub host: PathBuf,
    /// What may be done.
    pub access: Access,
}

/// Bounds of one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of memory of all instances together: linear memories, tables, what instances themselves take, and the stack.
    pub memory: usize,
    /// Bytes of log, of the component and its programs together.
    pub output: u64,
    /// Bytes written: by the component, by the host for it (copies), and by its programs.
    pub written_bytes: u64,
    /// Inodes made, in the same ways.
    pub created_inodes: u64,
    /// Wall-clock time; none: unlimited.
    pub time: Option<Duration>,
    /// Those of the above that hold for its programs too.
    pub programs: ProgramLimits,
}

/// Bounds of the programs of one run, all of them together. Only what a policy sets holds for them, whatever its value: what programs
/// usually take differs too much. None: unlimited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProgramLimits {
    /// Bytes of memory, files in memory included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// Bytes that they add to what they may write.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub written_bytes: Option<u64>,
    /// Inodes that they make there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_inodes: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 1 << 30,
            output: 64 << 20,
            written_bytes: 64 << 30,
            created_inodes: 4_000_000,
            time: None,
            programs: ProgramLimits::default(),
        }
    }
}

/// Everything that one component may do in one run. Default deny: what is not here is refused.
#[derive(Debug, Clone, Default)]
pub struct Grant {
    /// Full name of the module, for messages.
    pub module: String,
    /// Directories and devices.
    pub roots: Vec<Root>,
    /// What may be done to which paths inside the directories.
    pub rights: Rights,
    /// Interfaces that may be used.
    pub interfaces: BTreeSet<Interface>,
    /// The directories are there through `wasi:filesystem` too.
    pub wasi_filesystem: bool,
    /// Seconds since 1970 that the wall clock shows instead of the real time.
    pub source_epoch: Option<i64>,
    /// Random numbers come from the machine instead of a seed.
    pub entropy: bool,
}
