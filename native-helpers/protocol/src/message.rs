//! Messages that every interface shares: greeting, beginning, failure.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::grant::Grant;

/// Version of this protocol. Runtime and helper are built together, so anything else than equality is refused.
pub const VERSION: u32 = 9;

/// What a helper process serves: an interface of package `osbuild:stage`, or what the runtime itself needs for devices and mounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Interface {
    /// Files as block devices.
    Loopback,
    /// File systems.
    Mount,
    /// LUKS containers.
    Crypt,
    /// Logical volumes.
    Lvm,
    /// Discoverable disk images.
    Ddi,
    /// The RPM database of a tree.
    Rpm,
    /// GRUB's images.
    Grub,
    /// Disk images.
    QemuImg,
    /// Programs of the metadata.
    Command,
    /// Extended attributes that the kernel ties to CAP_SYS_ADMIN.
    Tree,
    /// Virtual machines.
    Machine,
}

impl Interface {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Loopback,
        Self::Mount,
        Self::Crypt,
        Self::Lvm,
        Self::Ddi,
        Self::Rpm,
        Self::Grub,
        Self::QemuImg,
        Self::Command,
        Self::Tree,
        Self::Machine,
    ];

    /// The word used on the helper's command line and in policies.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Loopback => "loopback",
            Self::Mount => "mount",
            Self::Crypt => "crypt",
            Self::Lvm => "lvm",
            Self::Ddi => "ddi",
            Self::Rpm => "rpm",
            Self::Grub => "grub",
            Self::QemuImg => "qemu-img",
            Self::Command => "command",
            Self::Tree => "tree",
            Self::Machine => "machine",
        }
    }
}

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Interface {
    type Err = Failure;

    fn from_str(name: &str) -> Result<Self, Failure> {
        let found = Self::ALL
            .into_iter()
            .find(|interface| interface.as_str() == name);
        found.ok_or_else(|| {
            Failure::new(
                ErrorCode::Invalid,
                name,
                "no helper serves an interface of this name",
            )
        })
    }
}

/// First message of the helper.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hello {
    /// [`VERSION`] of the helper.
    pub version: u32,
    /// What it serves.
    pub interface: Interface,
}

/// Begins a session; comes with the session's socket, its log, and what the grant counts as descriptors, in this order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Begin {
    /// What the session may use.
    pub grant: Grant,
}

/// A program that a helper ran of its own accord: to prepare a build root, to open a device, to make a mount.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ran {
    /// Why: `runner`, or the interface that it was run for.
    pub by: String,
    /// Its name.
    pub program: String,
    /// Its arguments; of many the first ones and how many follow.
    pub arguments: Vec<String>,
    /// Exit status; none when it did not end by itself.
    pub status: Option<i32>,
}

/// Answer to a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply<T> {
    /// It worked.
    Done(T),
    /// It did not.
    Failed(Failure),
}

impl<T> From<Result<T, Failure>> for Reply<T> {
    fn from(result: Result<T, Failure>) -> Self {
        result.map_or_else(Self::Failed, Self::Done)
    }
}

impl<T> From<Reply<T>> for Result<T, Failure> {
    fn from(reply: Reply<T>) -> Self {
        match reply {
            Reply::Done(value) => Ok(value),
            Reply::Failed(failure) => Err(failure),
        }
    }
}

/// Names something that a session holds (an attached device, a mount).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Handle(pub u64);

/// A failed call, as `types.error` of the contract.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(deny_unknown_fields)]
#[error("{}{}{detail}", .path, if .path.is_empty() { "" } else { ": " })]
pub struct Failure {
    /// Kind of failure.
    pub code: ErrorCode,
    /// What the call was about, as the caller named it; empty when there is nothing to name.
    pub path: String,
    /// One line: what happened and, where known, what to do.
    pub detail: String,
}

impl Failure {
    /// A failure about `path`.
    pub fn new(code: ErrorCode, path: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            code,
            path: path.into(),
            detail: detail.into(),
        }
    }

    /// A failure of a system call; `doing` says what was tried.
    pub fn system(
        errno: rustix::io::Errno,
        path: impl Into<String>,
        doing: impl fmt::Display,
    ) -> Self {
        let text = std::io::Error::from(errno).to_string();
        // Without Rust's "(os error N)".
        let text = text.split(" (os error").next().unwrap_or_default();
        Self::new(errno.into(), path, format!("{doing}: {text}"))
    }
}

/// `types.error-code` of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorCode {
    /// The grant does not cover the call.
    Denied,
    /// No such file or directory.
    NotFound,
    /// The path exists already.
    Exists,
    /// A component of the path is not a directory.
    NotADirectory,
    /// The path is a directory.
    IsADirectory,
    /// The directory has entries.
    NotEmpty,
    /// The kernel refused.
    NotPermitted,
    /// The file system or the granted directory is read-only.
    ReadOnly,
    /// No space or a quota is used up.
    NoSpace,
    /// Too many symbolic links.
    Loop,
    /// A name or path is too long.
    NameTooLong,
    /// An argument has no meaning here.
    Invalid,
    /// The file system or this machine cannot do it.
    Unsupported,
    /// Both paths must lie in one file system.
    CrossDevice,
    /// The resource is in use.
    Busy,
    /// A program or tool is not there.
    MissingTool,
    /// The run was cancelled or ran out of time.
    Interrupted,
    /// Any other failure.
    Io,
}

impl From<rustix::io::Errno> for ErrorCode {
    fn from(errno: rustix::io::Errno) -> Self {
        use rustix::io::Errno;
        match errno {
            Errno::NOENT => Self::NotFound,
            Errno::EXIST => Self::Exists,
            Errno::NOTDIR => Self::NotADirectory,
            Errno::ISDIR => Self::IsADirectory,
            Errno::NOTEMPTY => Self::NotEmpty,
            Errno::PERM | Errno::ACCESS => Self::NotPermitted,
            Errno::ROFS => Self::ReadOnly,
            Errno::NOSPC | Errno::DQUOT | Errno::FBIG => Self::NoSpace,
            Errno::LOOP => Self::Loop,
            Errno::NAMETOOLONG => Self::NameTooLong,
            Errno::INVAL => Self::Invalid,
            Errno::OPNOTSUPP | Errno::NOSYS | Errno::NODEV => Self::Unsupported,
            Errno::XDEV => Self::CrossDevice,
            Errno::BUSY | Errno::TXTBSY => Self::Busy,
            Errno::INTR => Self::Interrupted,
            _ => Self::Io,
        }
    }
}

/// Bytes, base64 in JSON.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map(Self).map_err(D::Error::custom)
    }
}
