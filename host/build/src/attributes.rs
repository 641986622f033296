//! Attributes that the kernel ties to CAP_SYS_ADMIN, such as SELinux labels where no SELinux is: copies within the store keep them by the
//! helper of interface `tree`.
use crate::failure::{BuildError, Result};
use crate::run::RunContext;
use crate::sandbox::TREE;
use crate::user_namespace::is_root_of_machine;
use osbuild_wasm_files::dirs::{open_root, proc_path};
use osbuild_wasm_files::{CopyOptions, attributes_of, name_to_text};
use osbuild_wasm_protocol::{
    Bytes, Directory, Failure, Grant, Granted, Interface, Place, Session, Trusted, TrustedValue,
    XattrValue,
};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags, XattrFlags, openat, setxattr};
use std::cell::RefCell;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Sets attributes of files in the store; the helper's session begins with the first of them.
pub(crate) struct Attributes<'a> {
    context: &'a RunContext<'a>,
    session: RefCell<Option<Session>>,
}

impl<'a> Attributes<'a> {
    pub(crate) fn new(context: &'a RunContext<'a>) -> Self {
        Self {
            context,
            session: RefCell::default(),
        }
    }

    /// Has files copied with all their attributes.
    pub(crate) fn copying<T>(&self, copy: impl FnOnce(CopyOptions<'_>) -> T) -> T {
        let set = |file: BorrowedFd<'_>, name: &OsStr, value: &[u8]| self.set(file, name, value);
        copy(CopyOptions {
            set_xattr: Some(&set),
            ..CopyOptions::default()
        })
    }

    /// Sets an attribute of an open file of the store.
    fn set(&self, file: BorrowedFd<'_>, name: &OsStr, value: &[u8]) -> io::Result<()> {
        let value = XattrValue {
            path: TREE.to_owned(),
            name: name_to_text(name.as_bytes()),
            value: Bytes(value.to_vec()),
        };
        let mut session = self.session.borrow_mut();
        let session = match &mut *session {
            Some(session) => session,
            none => none.insert(self.begin()?),
        };
        session.call(value, &[file]).map_err(refused)
    }

    /// What a tree of the store has in `trusted.*`, which this process cannot see itself.
    pub(crate) fn trusted(&self, tree: &Path) -> Result<Vec<TrustedValue>> {
        if !is_root_of_machine() || !self.context.helpers.has(Interface::Tree) {
            // To anybody else the kernel shows none, and lets them make none.
            return Ok(Vec::new());
        }
        let object = open_root(tree).map_err(|errno| BuildError::io(tree)(errno.into()))?;
        let failed = |cause: String| {
            BuildError::manifest(format!("attributes of {}", tree.display()), cause)
        };
        let mut session = self.session.borrow_mut();
        let session = match &mut *session {
            Some(session) => session,
            none => none.insert(self.begin().map_err(|error| failed(error.to_string()))?),
        };
        let path = TREE.to_owned();
        let told = session.call(Trusted { path }, &[object.as_fd()]);
        told.map_err(|failure| failed(failure.to_string()))
    }

    /// Gives a copy of a tree what the original has in `trusted.*`.
    pub(crate) fn carry(&self, from: &Path, to: &Path) -> Result<()> {
        self.give(to, &self.trusted(from)?)
    }

    /// What a tree of the store has beside `user.*`: nothing else is seen through the share of a virtual machine.
    pub(crate) fn unshared(&self, tree: &Path) -> Result<Vec<TrustedValue>> {
        let others = attributes_of(tree, |name| !name.as_bytes().starts_with(b"user."))?;
        let others = others.into_iter().map(|attribute| TrustedValue {
            below: Bytes(attribute.below.as_os_str().as_bytes().to_vec()),
            name: name_to_text(attribute.name.as_bytes()),
            value: Bytes(attribute.value),
        });
        let seen = others.filter(|of| !of.name.starts_with("trusted."));
        Ok(seen.chain(self.trusted(tree)?).collect())
    }

    /// Gives a tree of the store attributes, by the helper those that are kept from this process.
    pub(crate) fn give(&self, to: &Path, trusted: &[TrustedValue]) -> Result<()> {
        for TrustedValue { below, name, value } in trusted {
            let below = Path::new(OsStr::from_bytes(&below.0));
            let object = open_beneath(to, below).map_err(BuildError::io(to.join(below)))?;
            let own = setxattr(proc_path(&object), &**name, &value.0, XattrFlags::empty());
            let set = own.or_else(|_| self.set(object.as_fd(), OsStr::new(name), &value.0));
            set.map_err(BuildError::io(to.join(below)))?;
        }
        Ok(())
    }

    fn begin(&self) -> io::Result<Session> {
        let store = open_root(self.context.store.path())?;
        let mut granted = Granted::default();
        let place = granted.hold(store);
        granted.grant = Grant {
            directories: vec![Directory {
                contract: TREE.to_owned(),
                place: Place::Itself(place),
                writable: true,
            }],
            scratch: place,
            ..Grant::default()
        };
        // It runs no programs, so nothing is printed.
        let log = std::fs::File::options().write(true).open("/dev/null")?;
        let session = self
            .context
            .helpers
            .begin(Interface::Tree, &granted, log.into());
        session.map_err(refused)
    }
}

/// What losing these would be, in one line; none: there are none.
pub(crate) fn told(trusted: &[TrustedValue]) -> Option<String> {
    let first = trusted.first()?;
    let place = match String::from_utf8_lossy(&first.below.0) {
        place if place.is_empty() => ".".into(),
        place => place,
    };
    let others = match trusted.len() {
        1 => String::new(),
        more => format!(" and {} more", more - 1),
    };
    Some(format!(
        "attributes in trusted.* are lost: {} of {place}{others}; only within the store and in archives are they kept",
        first.name
    ))
}

/// An object of a tree by its path, no link followed.
fn open_beneath(tree: &Path, below: &Path) -> io::Result<OwnedFd> {
    let mut object = open_root(tree)?;
    for name in below.components() {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        object = openat(&object, name.as_os_str(), flags, Mode::empty())?;
    }
    Ok(object)
}

/// The kernel's word for what a copy then reports.
fn refused(_: Failure) -> io::Error {
    rustix::io::Errno::PERM.into()
}
