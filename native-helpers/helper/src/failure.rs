//! Short ways to say what went wrong.

use std::fmt::Display;
use std::io;
use std::path::Path;

use osbuild_wasm_protocol::{ErrorCode, Failure};
use rustix::io::Errno;

/// A call that the grant does not cover.
pub fn denied(path: impl Into<String>, detail: impl Into<String>) -> Failure {
    Failure::new(ErrorCode::Denied, path, detail)
}

/// An argument without meaning.
pub fn invalid(path: impl Into<String>, detail: impl Into<String>) -> Failure {
    Failure::new(ErrorCode::Invalid, path, detail)
}

/// Adds to a failed system call what it was about.
pub trait About<T> {
    /// `path` is what the caller named, `doing` completes "cannot ...".
    fn about(self, path: impl AsRef<Path>, doing: impl Display) -> Result<T, Failure>;
}

impl<T> About<T> for Result<T, Errno> {
    fn about(self, path: impl AsRef<Path>, doing: impl Display) -> Result<T, Failure> {
        self.map_err(|errno| {
            Failure::system(
                errno,
                path.as_ref().to_string_lossy(),
                format!("cannot {doing}"),
            )
        })
    }
}

impl<T> About<T> for io::Result<T> {
    fn about(self, path: impl AsRef<Path>, doing: impl Display) -> Result<T, Failure> {
        self.map_err(|error| match Errno::from_io_error(&error) {
            Some(errno) => Failure::system(
                errno,
                path.as_ref().to_string_lossy(),
                format!("cannot {doing}"),
            ),
            None => Failure::new(
                ErrorCode::Io,
                path.as_ref().to_string_lossy(),
                format!("cannot {doing}: {error}"),
            ),
        })
    }
}
