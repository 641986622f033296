//! From the kernel's errors to those of the contract.
use crate::bindings::types::{Error, ErrorCode};
use osbuild_wasm_files::{FilesError, shown};
use rustix::io::Errno;
use std::fmt::Display;

/// The error for `path` that the kernel answered with.
pub(crate) fn from_errno(path: &str, errno: Errno) -> Error {
    let (code, detail) = describe(errno);
    Error {
        code,
        path: shown(path).into_owned(),
        detail: detail.map_or_else(|| errno_text(errno), str::to_owned),
    }
}

/// A refusal by the grant.
pub(crate) fn denied(path: &str, detail: impl Display) -> Error {
    Error {
        code: ErrorCode::Denied,
        path: shown(path).into_owned(),
        detail: detail.to_string(),
    }
}

/// A call that makes no sense.
pub(crate) fn invalid(path: &str, detail: impl Display) -> Error {
    Error {
        code: ErrorCode::Invalid,
        path: shown(path).into_owned(),
        detail: detail.to_string(),
    }
}

/// Any other failure.
pub(crate) fn failed(path: &str, detail: &dyn Display) -> Error {
    Error {
        code: ErrorCode::Io,
        path: shown(path).into_owned(),
        detail: detail.to_string(),
    }
}

/// The error with another explanation, if it is of this kind.
pub(crate) fn explained(error: Error, code: ErrorCode, detail: &str) -> Error {
    match error.code == code {
        true => Error {
            detail: detail.to_owned(),
            ..error
        },
        false => error,
    }
}

/// What happened to a tree of files, in the contract's terms; paths of the host do not leave it.
pub(crate) fn files_error(path: &str, error: &FilesError) -> Error {
    let Some(cause) = error.io() else {
        return failed(
            path,
            &"a directory cannot take the place of something else, nor the other way round",
        );
    };
    let refusal = cause.get_ref().and_then(|cause| cause.downcast_ref());
    match (refusal, cause.raw_os_error()) {
        (Some(refusal), _) => Error::clone(refusal),
        (None, Some(errno)) => from_errno(path, Errno::from_raw_os_error(errno)),
        (None, None) => failed(path, cause),
    }
}

fn errno_text(errno: Errno) -> String {
    std::io::Error::from(errno).to_string()
}

fn describe(errno: Errno) -> (ErrorCode, Option<&'static str>) {
    match errno {
        Errno::NOENT => (ErrorCode::NotFound, Some("no such file or directory")),
        Errno::EXIST => (ErrorCode::Exists, Some("exists already")),
        Errno::NOTDIR => (ErrorCode::NotADirectory, Some("not a directory")),
        Errno::ISDIR => (ErrorCode::IsADirectory, Some("is a directory")),
        Errno::NOTEMPTY => (ErrorCode::NotEmpty, Some("directory not empty")),
        Errno::PERM | Errno::ACCESS => (ErrorCode::NotPermitted, None),
        Errno::ROFS => (ErrorCode::ReadOnly, Some("read-only file system")),
        Errno::NOSPC | Errno::DQUOT => (
            ErrorCode::NoSpace,
            Some("no space left on the device: free some, or use another store"),
        ),
        Errno::LOOP => (ErrorCode::Loop, Some("too many levels of symbolic links")),
        Errno::NAMETOOLONG => (ErrorCode::NameTooLong, Some("name too long")),
        Errno::INVAL => (ErrorCode::Invalid, None),
        Errno::NOTSUP | Errno::NOSYS | Errno::NOTTY => (
            ErrorCode::Unsupported,
            Some("not supported by this file system"),
        ),
        Errno::XDEV => (ErrorCode::CrossDevice, Some("not in the same file system")),
        Errno::BUSY => (ErrorCode::Busy, Some("in use")),
        Errno::INTR => (ErrorCode::Interrupted, None),
        _ => (ErrorCode::Io, None),
    }
}
