//! What the helper tells the process that sets a sandbox up. Descriptors travel beside it and are named by their position.

use std::collections::BTreeMap;

use osbuild_wasm_protocol::Bytes;
use serde::{Deserialize, Serialize};

/// Position of a descriptor.
pub type Position = usize;

/// A sandbox and the program that runs in it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Spec {
    /// What is `/`; none: an empty directory in memory.
    pub root: Option<Position>,
    /// It can only be read, but for what is put into it.
    pub root_is_read_only: bool,
    /// What is put into it, in this order.
    pub places: Vec<Place>,
    /// What runs.
    pub program: Program,
    /// What it may be.
    pub bounds: Bounds,
}

/// Something at a path of the sandbox.
#[derive(Debug, Serialize, Deserialize)]
pub struct Place {
    /// Absolute; directories on the way are made. No symbolic link is followed.
    pub target: Bytes,
    pub what: What,
    /// Left out where a program has put something else.
    pub optional: bool,
}

/// What there is at a place.
#[derive(Debug, Serialize, Deserialize)]
pub enum What {
    /// An empty directory in memory with this mode.
    Memory(u32),
    /// A directory in memory for what is put into it, which cannot be written then: nothing that a program writes is lost in silence.
    Frame,
    /// A symbolic link with this text.
    Link(String),
    /// A file or directory, with all that is mounted below it.
    File { file: Position, access: Access },
    /// A minimal /dev.
    Dev,
    /// The processes of the sandbox; nothing in it can be changed. `cmdline` is what it shows as the kernel's command line.
    Proc { cmdline: Position },
    /// What programs need of the machine's /sys, read-only.
    Sys,
}

/// What may be done with what is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Access {
    Read,
    Write,
    /// A device, which can be opened as its mode says.
    Device,
}

/// What runs.
#[derive(Debug, Serialize, Deserialize)]
pub struct Program {
    /// Absolute path in the sandbox.
    pub path: Bytes,
    pub arguments: Vec<Bytes>,
    /// All of its environment.
    pub environment: BTreeMap<String, String>,
    /// Absolute path in the sandbox.
    pub directory: Bytes,
    /// Standard input, output and error.
    pub streams: [Position; 3],
    /// They are a terminal that is to control what runs.
    pub terminal: bool,
    /// Absolute path in the sandbox of what it mounts, which is handed over when it has worked.
    pub mounts: Option<Bytes>,
}

/// What a program may be.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Bounds {
    /// The user namespace that it is root of; none: that of the helper, with the privileges of the machine.
    pub user_namespace: Option<Position>,
    /// Names of its capabilities in that namespace.
    pub capabilities: Vec<String>,
    /// It runs virtual machines.
    pub virtualization: bool,
    /// Most bytes that a file may have after it wrote to it.
    pub file_size: Option<u64>,
    /// Most bytes of memory of a process.
    pub memory: Option<u64>,
    /// Most bytes of files in memory, in each directory that has them there.
    pub in_memory: Option<u64>,
}
