//! Granted directories, and the resolution of paths inside them.
use super::errors::{denied, from_errno, invalid};
use super::{OpenFile, Result};
use crate::bindings::tree::OpenMode;
use crate::failure::ComponentError;
use osbuild_wasm_capability::{Access, Limits, Root};
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, openat2};
use rustix::io::Errno;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Every path is resolved as if the granted directory were `/`: links, absolute ones too, and `..` stay inside. Links of /proc, which
/// could lead to other processes' files, are not followed.
const INSIDE: ResolveFlags = ResolveFlags::IN_ROOT.union(ResolveFlags::NO_MAGICLINKS);

/// Contract path of the directory that a component's own mounts go into.
const MOUNTS: &str = "/run/osbuild/mounts";

/// The granted directories and devices of one run.
#[derive(Debug)]
pub struct Roots {
    roots: Vec<OpenRoot>,
    pub(super) quota: Arc<Quota>,
}

/// What may still be written.
#[derive(Debug)]
pub(crate) struct Quota {
    bytes: AtomicU64,
    inodes: AtomicU64,
}

#[derive(Debug)]
struct OpenRoot {
    contract: String,
    anchor: Anchor,
    access: Access,
    is_directory: bool,
}

/// How a granted directory is held.
#[derive(Debug)]
enum Anchor {
    /// Open from the start: what a later rename does to the path no longer matters.
    Open(OwnedFd),
    /// The mounts directory is opened at each call: the component may mount something on it, and a descriptor would show what is
    /// below, or keep it from being unmounted.
    AtEachCall(PathBuf),
}

/// A path that was cut into its granted directory and the rest.
pub(super) struct Located<'a> {
    anchor: Held<'a>,
    contract: &'a str,
    pub(super) rest: &'a str,
    access: Access,
    is_directory: bool,
    path: &'a str,
}

enum Held<'a> {
    Open(&'a OwnedFd),
    JustOpened(OwnedFd),
}

impl AsFd for Held<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Open(fd) => fd.as_fd(),
            Self::JustOpened(fd) => fd.as_fd(),
        }
    }
}

/// The directory that holds (or is to hold) a name.
pub(super) struct Slot<'a> {
    pub(super) parent: OwnedFd,
    pub(super) name: &'a str,
}

impl Roots {
    /// Opens the granted directories; what a later rename does to their host paths no longer matters.
    pub fn open_all(roots: &[Root], limits: Limits) -> std::result::Result<Self, ComponentError> {
        let mut open = Vec::with_capacity(roots.len());
        for root in roots {
            let failed = |errno: Errno| ComponentError::Root {
                path: root.host.clone(),
                cause: errno.into(),
            };
            let fd = open_anchor(&root.host).map_err(failed)?;
            let is_directory =
                FileType::from_raw_mode(fstat(&fd).map_err(failed)?.st_mode) == FileType::Directory;
            let contract = root.contract.trim_end_matches('/').to_owned();
            let anchor = match contract.as_str() {
                MOUNTS => Anchor::AtEachCall(root.host.clone()),
                _ => Anchor::Open(fd),
            };
            open.push(OpenRoot {
                contract,
                anchor,
                access: root.access,
                is_directory,
            });
        }
        // The longest name that fits decides.
        open.sort_by_key(|root| std::cmp::Reverse(root.contract.len()));
        let quota = Quota {
            bytes: limits.written_bytes.into(),
            inodes: limits.created_inodes.into(),
        };
        Ok(Self {
            roots: open,
            quota: Arc::new(quota),
        })
    }

    /// Finds the granted directory of an absolute path.
    pub(super) fn locate<'a>(&'a self, path: &'a str) -> Result<Located<'a>> {
        if !path.starts_with('/') {
            return Err(invalid(path, "not an absolute path"));
        }
        if path.contains('\0') {
            return Err(invalid("", "a path cannot contain a NUL byte"));
        }
        for root in &self.roots {
            if let Some(rest) = path.strip_prefix(root.contract.as_str())
                && (rest.is_empty() || rest.starts_with('/'))
            {
                let rest = rest.trim_start_matches('/');
                let rest = if rest.is_empty() { "." } else { rest };
                let OpenRoot {
                    anchor,
                    access,
                    is_directory,
                    ..
                } = root;
                let anchor = match anchor {
                    Anchor::Open(fd) => Held::Open(fd),
                    Anchor::AtEachCall(host) => Held::JustOpened(
                        open_anchor(host).map_err(|errno| from_errno(path, errno))?,
                    ),
                };
                return Ok(Located {
                    anchor,
                    contract: &root.contract,
                    rest,
                    access: *access,
                    is_directory: *is_directory,
                    path,
                });
            }
        }
        Err(denied(path, "outside of what this stage was granted"))
    }

    /// Opens a regular file or a granted device. What else the tree holds (nodes of devices, pipes) is never opened.
    pub(super) fn open(&self, path: &str, how: OpenMode, mode: u32) -> Result<OpenFile> {
        let located = self.locate(path)?;
        if how != OpenMode::Read {
            located.writable()?;
        }
        let flags = open_flags(how);
        let existing = if how == OpenMode::CreateNew {
            Err(Errno::NOENT)
        } else {
            located.path_fd(true)
        };
        let file = match existing {
            Ok(fd) => located.reopen(&fd, flags)?,
            Err(Errno::NOENT) if creates(how) => {
                self.quota.take_inode(path)?;
                located.create(flags, mode)?
            }
            Err(errno) => return Err(from_errno(path, errno)),
        };
        Ok(OpenFile::new(
            file,
            path,
            how == OpenMode::Append,
            self.quota.clone(),
        ))
    }
}

fn open_anchor(host: &Path) -> std::result::Result<OwnedFd, Errno> {
    rustix::fs::open(host, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
}

fn open_flags(how: OpenMode) -> OFlags {
    match how {
        OpenMode::Read => OFlags::RDONLY,
        OpenMode::Update => OFlags::RDWR,
        OpenMode::Create => OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC,
        OpenMode::CreateNew => OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL,
        OpenMode::Append => OFlags::WRONLY | OFlags::CREATE | OFlags::APPEND,
    }
}

fn creates(how: OpenMode) -> bool {
    matches!(
        how,
        OpenMode::Create | OpenMode::CreateNew | OpenMode::Append
    )
}

impl<'a> Located<'a> {
    /// Whether both lie in one granted directory.
    pub(super) fn same_root(&self, other: &Self) -> bool {
        self.contract == other.contract
    }

    /// Refuses when the directory was granted for reading only.
    pub(super) fn writable(&self) -> Result<()> {
        match self.access {
            Access::Write => Ok(()),
            Access::Read => Err(denied(self.path, "granted for reading only")),
        }
    }

    /// A handle of the object without opening it.
    pub(super) fn path_fd(&self, follow: bool) -> std::result::Result<OwnedFd, Errno> {
        let last = if follow {
            OFlags::empty()
        } else {
            OFlags::NOFOLLOW
        };
        self.open_inside(self.rest, OFlags::PATH | last, Mode::empty())
    }

    fn open_inside(
        &self,
        rest: &str,
        flags: OFlags,
        mode: Mode,
    ) -> std::result::Result<OwnedFd, Errno> {
        if !self.is_directory {
            // One granted file, e.g. a device: there is nothing below it.
            return if rest == "." {
                rustix::io::fcntl_dupfd_cloexec(&self.anchor, 3)
            } else {
                Err(Errno::NOTDIR)
            };
        }
        // The kernel gives up with EAGAIN when something is renamed while it resolves.
        for _ in 0..64 {
            match openat2(&self.anchor, rest, flags | OFlags::CLOEXEC, mode, INSIDE) {
                Err(Errno::AGAIN) => {}
                other => return other,
            }
        }
        Err(Errno::AGAIN)
    }

    /// Opens what the handle names, if that is a regular file or the granted device itself.
    fn reopen(&self, handle: &OwnedFd, flags: OFlags) -> Result<OwnedFd> {
        let metadata = fstat(handle).map_err(|errno| from_errno(self.path, errno))?;
        match FileType::from_raw_mode(metadata.st_mode) {
            FileType::RegularFile => {}
            FileType::Directory => return Err(from_errno(self.path, Errno::ISDIR)),
            FileType::BlockDevice if !self.is_directory => {}
            _ => {
                return Err(denied(
                    self.path,
                    "neither a regular file nor a granted device",
                ));
            }
        }
        let flags =
            flags.difference(OFlags::CREATE | OFlags::EXCL) | OFlags::CLOEXEC | OFlags::NONBLOCK;
        rustix::fs::open(link_of(handle), flags, Mode::empty())
            .map_err(|errno| from_errno(self.path, errno))
    }

    fn create(&self, flags: OFlags, mode: u32) -> Result<OwnedFd> {
        if self.rest.ends_with('/') {
            return Err(from_errno(self.path, Errno::ISDIR));
        }
        let mode = Mode::from_raw_mode(mode & 0o7777);
        let fd = self
            .open_inside(self.rest, flags | OFlags::NONBLOCK, mode)
            .map_err(|errno| from_errno(self.path, errno))?;
        let metadata = fstat(&fd).map_err(|errno| from_errno(self.path, errno))?;
        // Something may have come into being meanwhile.
        if FileType::from_raw_mode(metadata.st_mode) != FileType::RegularFile {
            return Err(denied(
                self.path,
                "neither a regular file nor a granted device",
            ));
        }
        Ok(fd)
    }

    /// The parent directory, opened, and the last name. Trailing slashes do not count; `..` at the end has no name.
    pub(super) fn slot(&self) -> Result<Slot<'a>> {
        let rest = self.rest.trim_end_matches('/');
        let (directory, name) = rest.rsplit_once('/').unwrap_or((".", rest));
        if name == "." || name == ".." || name.is_empty() {
            return Err(invalid(self.path, "the path does not end in a name"));
        }
        let directory = if directory.is_empty() { "." } else { directory };
        let parent = self
            .open_inside(directory, OFlags::PATH | OFlags::DIRECTORY, Mode::empty())
            .map_err(|errno| from_errno(self.path, errno))?;
        Ok(Slot { parent, name })
    }
}

/// The name by which the kernel reaches an open handle itself.
pub(super) fn link_of(fd: &impl AsFd) -> String {
    format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd())
}

impl Quota {
    pub(super) fn take_inode(&self, path: &str) -> Result<()> {
        take(&self.inodes, 1)
            .then_some(())
            .ok_or_else(|| spent(path, "inodes"))
    }

    pub(super) fn take_bytes(&self, path: &str, bytes: u64) -> Result<()> {
        take(&self.bytes, bytes)
            .then_some(())
            .ok_or_else(|| spent(path, "bytes"))
    }
}

fn take(left: &AtomicU64, amount: u64) -> bool {
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
        left.checked_sub(amount)
    })
    .is_ok()
}

fn spent(path: &str, what: &str) -> crate::bindings::types::Error {
    crate::bindings::types::Error {
        code: crate::bindings::types::ErrorCode::NoSpace,
        path: path.to_owned(),
        detail: format!("the stage's limit of written {what} is used up"),
    }
}
