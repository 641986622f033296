//! Attributes that the kernel ties to CAP_SYS_ADMIN, such as SELinux labels where no SELinux is: copies within the store keep them by the
//! helper of interface `tree`.
use crate::run::RunContext;
use crate::sandbox::TREE;
use osbuild_wasm_files::dirs::open_root;
use osbuild_wasm_files::name_to_text;
use osbuild_wasm_protocol::{
    Bytes, Directory, Failure, Grant, Granted, Interface, Place, Session, XattrValue,
};
use rustix::fd::BorrowedFd;
use std::cell::RefCell;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;

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

    /// Sets an attribute of an open file of the store.
    pub(crate) fn set(&self, file: BorrowedFd<'_>, name: &OsStr, value: &[u8]) -> io::Result<()> {
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

/// The kernel's word for what a copy then reports.
fn refused(_: Failure) -> io::Error {
    rustix::io::Errno::PERM.into()
}
