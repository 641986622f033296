//! Granted directories, and the resolution of paths inside them.
use super::Result;
use super::errors::{denied, from_errno, invalid};
use super::gate::Gate;
use super::names::is_directory;
use crate::ErrorCode;
use crate::bindings::types::Error;
use crate::failure::ComponentError;
use crate::quota::StageQuota;
use osbuild_wasm_capability::policy::Links;
use osbuild_wasm_capability::{Access, Coverage, Interface, Place, Refusal, Root, Verb};
use osbuild_wasm_files::{is_the_text_of_a_name, name_from_text, name_to_text};
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, fstat, openat2, readlinkat};
use rustix::io::Errno;
use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

/// Every path is resolved as if the granted directory were `/`: links, absolute ones too, and `..` stay inside. Links of /proc, which
/// could lead to other processes' files, are not followed.
const INSIDE: ResolveFlags = ResolveFlags::IN_ROOT.union(ResolveFlags::NO_MAGICLINKS);

/// Paths of WASI: nothing leads out of the directory that they start from, and an absolute link does.
const BENEATH: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_MAGICLINKS);

/// Links at the end of a path that are followed one after the other (MAXSYMLINKS of the kernel).
pub(super) const LINKS: u32 = 40;

/// Contract path of the directory that a component's own mounts go into.
const MOUNTS: &str = "/run/osbuild/mounts";

/// The granted directories and devices of one run.
#[derive(Debug)]
pub struct Roots {
    pub(super) roots: Vec<OpenRoot>,
    pub(super) gate: Gate,
    pub(crate) quota: Arc<StageQuota>,
    /// Attributes that the last copy could not set.
    pub(super) unset: Mutex<Vec<Unset>>,
}

/// An extended attribute that the kernel did not let this process set, or the file system does not have.
#[derive(Debug)]
pub(super) struct Unset {
    /// Contract path of the object.
    pub(super) place: String,
    pub(super) name: String,
    pub(super) value: Vec<u8>,
}

#[derive(Debug)]
pub(super) struct OpenRoot {
    pub(super) contract: String,
    /// Where a directory that is open from the start is on this machine. Should it be moved, nothing is found below it any more.
    host: OnceLock<PathBuf>,
    anchor: Anchor,
    pub(super) access: Access,
    pub(super) is_directory: bool,
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

/// A path that was cut into an open directory and the rest.
pub(crate) struct Located<'a> {
    anchor: Held<'a>,
    /// Remembers where the directory is on this machine, if it stays the same.
    host: Option<&'a OnceLock<PathBuf>>,
    /// The directory's path of the contract; empty when it will not be asked for.
    pub(super) contract: Cow<'a, str>,
    pub(crate) rest: &'a str,
    pub(crate) access: Access,
    pub(super) is_directory: bool,
    resolve: ResolveFlags,
    /// As it was asked for.
    pub(crate) path: &'a str,
    /// The path of the contract that it was asked for by, be it that links lead from there to here; none of WASI.
    pub(super) asked: Option<&'a str>,
    pub(super) gate: &'a Gate,
    pub(crate) quota: &'a Arc<StageQuota>,
    pub(super) unset: &'a Mutex<Vec<Unset>>,
}

pub(super) enum Held<'a> {
    Open(BorrowedFd<'a>),
    JustOpened(OwnedFd),
}

impl AsFd for Held<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Open(fd) => *fd,
            Self::JustOpened(fd) => fd.as_fd(),
        }
    }
}

/// The directory that holds (or is to hold) a name.
pub(crate) struct Slot<'a> {
    pub(crate) parent: OwnedFd,
    pub(crate) name: &'a str,
    /// The directory is what was asked for, and the name one in it.
    pub(super) is_inside: bool,
    pub(crate) located: Located<'a>,
}

impl Roots {
    /// Opens the granted directories; what a later rename does to their host paths no longer matters.
    pub(crate) fn open_all(
        roots: &[Root],
        gate: Gate,
        quota: Arc<StageQuota>,
    ) -> std::result::Result<Self, ComponentError> {
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
                host: OnceLock::new(),
                anchor,
                access: root.access,
                is_directory,
            });
        }
        // The longest name that fits decides.
        open.sort_by_key(|root| std::cmp::Reverse(root.contract.len()));
        Ok(Self {
            roots: open,
            gate,
            quota,
            unset: Mutex::default(),
        })
    }

    /// Tells of a refusal.
    pub(crate) fn record_result<T>(&self, outcome: Result<T>) -> Result<T> {
        let outcome = outcome.map_err(|error| match error.code {
            ErrorCode::Loop if self.gate.refuses_links() => denied(&error.path, Links::REFUSED),
            _ => error,
        });
        if let (Some(recorder), Err(error)) = (&self.gate.recorder, &outcome)
            && error.code == ErrorCode::Denied
        {
            recorder.denied(&error.path, &error.detail);
        }
        outcome
    }

    /// What the rights refused.
    pub(crate) fn refused(&self) -> Vec<Refusal> {
        self.gate.refused()
    }

    /// Tells of the use of another interface.
    pub(crate) fn used(&self, interface: Interface) {
        if let Some(recorder) = &self.gate.recorder {
            recorder.used(interface);
        }
    }

    /// Finds the granted directory of an absolute path.
    pub(super) fn locate<'a>(&'a self, path: &'a str) -> Result<Located<'a>> {
        if !path.starts_with('/') {
            return Err(invalid(path, "not an absolute path"));
        }
        if path.contains('\0') {
            return Err(invalid("", "a path cannot contain a NUL byte"));
        }
        if !is_the_text_of_a_name(path) {
            return Err(invalid(path, "bytes that are UTF-8 are written as such"));
        }
        for root in &self.roots {
            if let Some(rest) = path.strip_prefix(root.contract.as_str())
                && (rest.is_empty() || rest.starts_with('/'))
            {
                let rest = rest.trim_start_matches('/');
                let anchor = root.held().map_err(|errno| from_errno(path, errno))?;
                return Ok(Located {
                    anchor,
                    host: root.remembered(),
                    contract: root.contract.as_str().into(),
                    rest: if rest.is_empty() { "." } else { rest },
                    access: root.access,
                    is_directory: root.is_directory,
                    resolve: self.resolved(INSIDE),
                    path,
                    asked: Some(path),
                    gate: &self.gate,
                    quota: &self.quota,
                    unset: &self.unset,
                });
            }
        }
        Err(denied(path, "outside of what this stage was granted"))
    }

    /// Refuses a path that a helper will open, where it leads through a link and none may.
    pub(crate) fn refuse_link(&self, path: &str) -> Result<()> {
        if !self.gate.refuses_links() {
            return Ok(());
        }
        match self.locate(path).map(|located| located.path_fd(true)) {
            Ok(Err(Errno::LOOP)) => Err(from_errno(path, Errno::LOOP)),
            // What is not granted, or not there, the helper refuses.
            _ => Ok(()),
        }
    }

    /// Whether no path may lead through a link.
    pub(crate) fn refuses_links(&self) -> bool {
        self.gate.refuses_links()
    }

    /// How paths are resolved under the rights of this run.
    fn resolved(&self, how: ResolveFlags) -> ResolveFlags {
        match self.gate.refuses_links() {
            true => how | ResolveFlags::NO_SYMLINKS,
            false => how,
        }
    }

    /// Whether a path is in a granted directory.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.locate(path).is_ok()
    }

    /// A path of WASI: relative to an open directory, and never leading out of it.
    pub(crate) fn beneath<'a>(
        &'a self,
        start: &'a std::fs::File,
        access: Access,
        path: &'a str,
    ) -> Result<Located<'a>> {
        let contract = match self.gate.is_open() {
            true => "".into(),
            false => self.place_of(start)?.into(),
        };
        Ok(Located {
            anchor: Held::Open(start.as_fd()),
            host: None,
            contract,
            rest: path,
            access,
            is_directory: true,
            resolve: self.resolved(BENEATH),
            path,
            asked: None,
            gate: &self.gate,
            quota: &self.quota,
            unset: &self.unset,
        })
    }

    /// A refusal of a WASI path with the whole path, for people.
    pub(crate) fn with_place(&self, error: Error, start: &std::fs::File) -> Error {
        match (error.code, self.place_of(start)) {
            (ErrorCode::Denied, Ok(place)) => Error {
                path: format!("{place}/{}", error.path),
                ..error
            },
            _ => error,
        }
    }

    /// Asks for a right to something that is open already.
    pub(crate) fn permit_open(&self, verb: Verb, file: &std::fs::File) -> Result<()> {
        let permit = self.gate.permit("", verb, Coverage::Path, || {
            self.place_of(file).map(Place::real)
        })?;
        permit.done();
        Ok(())
    }

    /// The path of the contract for one of this machine: in the innermost granted directory that it is below.
    pub(super) fn place_of_path(
        &self,
        object: &Path,
    ) -> std::result::Result<Option<String>, Errno> {
        let mut found: Option<(usize, String)> = None;
        for root in &self.roots {
            let held = root.held()?;
            let host = remembered(root.remembered(), &held)?;
            let depth = host.components().count();
            if let Some(place) = place_below(&root.contract, &host, object)
                && found.as_ref().is_none_or(|(other, _)| depth > *other)
            {
                found = Some((depth, place));
            }
        }
        Ok(found.map(|(_, place)| place))
    }
}

impl OpenRoot {
    fn remembered(&self) -> Option<&OnceLock<PathBuf>> {
        matches!(self.anchor, Anchor::Open(_)).then_some(&self.host)
    }

    pub(super) fn held(&self) -> std::result::Result<Held<'_>, Errno> {
        Ok(match &self.anchor {
            Anchor::Open(fd) => Held::Open(fd.as_fd()),
            Anchor::AtEachCall(host) => Held::JustOpened(open_anchor(host)?),
        })
    }
}

fn remembered<'a>(
    cell: Option<&'a OnceLock<PathBuf>>,
    directory: &Held<'_>,
) -> std::result::Result<Cow<'a, Path>, Errno> {
    match cell {
        None => host_path(directory).map(Cow::Owned),
        Some(cell) => match cell.get() {
            Some(path) => Ok(path.into()),
            None => {
                let path = host_path(directory)?;
                Ok(cell.get_or_init(|| path).into())
            }
        },
    }
}

/// Where the kernel says that an open object is now, on this machine.
pub(super) fn host_path(handle: &impl AsFd) -> std::result::Result<PathBuf, Errno> {
    let text = readlinkat(CWD, link_of(handle), Vec::new())?;
    Ok(OsString::from_vec(text.into_bytes()).into())
}

/// The contract path of a host path below a directory.
pub(super) fn place_below(contract: &str, directory: &Path, object: &Path) -> Option<String> {
    let below = object.strip_prefix(directory).ok()?;
    Some(match below.as_os_str().is_empty() {
        true => contract.to_owned(),
        false => format!("{contract}/{}", name_to_text(below.as_os_str().as_bytes())),
    })
}

fn open_anchor(host: &Path) -> std::result::Result<OwnedFd, Errno> {
    rustix::fs::open(host, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
}

impl<'a> Located<'a> {
    /// Where the directory that the path begins at is on this machine.
    pub(super) fn host(&self) -> std::result::Result<Cow<'_, Path>, Errno> {
        remembered(self.host, &self.anchor)
    }

    /// The same as what the link `asked` leads to.
    pub(super) fn led_from(self, asked: &'a str) -> Self {
        Self {
            asked: Some(asked),
            ..self
        }
    }

    /// Whether both lie in one granted directory.
    pub(super) fn same_root(&self, other: &Self) -> bool {
        self.contract == other.contract
    }

    /// Refuses when the directory was granted for reading only.
    pub(crate) fn writable(&self) -> Result<()> {
        match self.access {
            Access::Write => Ok(()),
            Access::Read => Err(denied(self.path, "granted for reading only")),
        }
    }

    /// A handle of the object without opening it.
    pub(crate) fn path_fd(&self, follow: bool) -> std::result::Result<OwnedFd, Errno> {
        let last = if follow {
            OFlags::empty()
        } else {
            OFlags::NOFOLLOW
        };
        self.open_inside(self.rest, OFlags::PATH | last, Mode::empty())
    }

    /// The directory that has the name; none: something else has it, or nothing.
    pub(super) fn existing_directory(&self) -> Result<Option<OwnedFd>> {
        match self.path_fd(true) {
            Err(Errno::LOOP) if self.gate.refuses_links() => {
                Err(from_errno(self.path, Errno::LOOP))
            }
            found => Ok(found.ok().filter(is_directory)),
        }
    }

    pub(super) fn open_inside(
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
        let name = name_from_text(rest);
        // The kernel gives up with EAGAIN when something is renamed while it resolves.
        for _ in 0..64 {
            let flags = flags | OFlags::CLOEXEC;
            match openat2(&self.anchor, &*name, flags, mode, self.resolve) {
                Err(Errno::AGAIN) => {}
                // The kernel's word for a path that leads out.
                Err(Errno::XDEV) => return Err(Errno::PERM),
                other => return other,
            }
        }
        Err(Errno::AGAIN)
    }

    /// The parent directory, opened, and the last name. Trailing slashes do not count; `..` at the end has no name.
    pub(crate) fn slot(self) -> Result<Slot<'a>> {
        let rest = self.rest.trim_end_matches('/');
        let (directory, name) = rest.rsplit_once('/').unwrap_or((".", rest));
        if name == "." || name == ".." || name.is_empty() {
            return Err(invalid(self.path, "the path does not end in a name"));
        }
        let directory = if directory.is_empty() { "." } else { directory };
        let parent = self
            .open_inside(directory, OFlags::PATH | OFlags::DIRECTORY, Mode::empty())
            .map_err(|errno| from_errno(self.path, errno))?;
        Ok(Slot {
            parent,
            name,
            is_inside: false,
            located: self,
        })
    }
}

impl Slot<'_> {
    /// The name as the kernel has it.
    pub(crate) fn file_name(&self) -> Cow<'_, OsStr> {
        name_from_text(self.name)
    }

    /// The contract path that the name leads to, if it is a link.
    pub(super) fn leads_to(&self) -> Result<Option<String>> {
        let Ok(text) = readlinkat(&self.parent, &*self.file_name(), Vec::new()) else {
            return Ok(None);
        };
        let text = name_to_text(text.as_bytes());
        let from = match text.starts_with('/') {
            true => self.located.contract.as_ref().to_owned(),
            false => self.located.place(&self.parent)?,
        };
        Ok(Some(format!("{from}/{text}")))
    }
}

/// The name by which the kernel reaches an open handle itself.
pub(crate) fn link_of(fd: &impl AsFd) -> String {
    format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd())
}
