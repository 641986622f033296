//! What a stage fails with.
use crate::ErrorCode;
use crate::bindings::osbuild::stage::types;
use std::fmt;

/// The result of almost everything here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something failed: one line that says what and where, and below it what caused it.
#[derive(Debug)]
pub struct Error {
    message: String,
    code: Option<ErrorCode>,
    status: u8,
    cause: Option<Box<Error>>,
}

impl Error {
    /// An error with one line for people.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            code: None,
            status: 1,
            cause: None,
        }
    }

    /// What the host said, when it refused or failed a call.
    pub fn code(&self) -> Option<ErrorCode> {
        self.code
    }

    /// Whether the path or name was not there.
    pub fn is_not_found(&self) -> bool {
        self.code == Some(ErrorCode::NotFound)
    }

    /// The exit status of the stage when it ends with this error; 1 unless [`Error::with_status`] said otherwise.
    pub fn status(&self) -> u8 {
        self.status
    }

    /// Makes the stage end with this exit status; 0 counts as 1, because an error is no success.
    #[must_use]
    pub fn with_status(mut self, status: u8) -> Self {
        self.status = status.max(1);
        self
    }

    /// The same error below a line that says what was being done.
    #[must_use]
    pub fn context(self, message: impl Into<String>) -> Self {
        let (code, status) = (self.code, self.status);
        Self {
            message: message.into(),
            code,
            status,
            cause: Some(Box::new(self)),
        }
    }

    /// The error that caused this one.
    pub fn cause(&self) -> Option<&Error> {
        self.cause.as_deref()
    }

    /// A short machine word for the result document.
    pub(crate) fn kind(&self) -> &'static str {
        self.code.map_or("failed", code_word)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}

impl From<types::Error> for Error {
    fn from(error: types::Error) -> Self {
        let place = if error.path.is_empty() {
            String::new()
        } else {
            format!("{}: ", error.path)
        };
        let what = if error.detail.is_empty() {
            code_word(error.code)
        } else {
            &error.detail
        };
        Self {
            code: Some(error.code),
            ..Self::new(format!("{place}{what}"))
        }
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        // Our own errors travel through readers and writers of other crates inside an io::Error.
        match error.downcast::<Error>() {
            Ok(own) => own,
            Err(other) => Self::new(other.to_string()),
        }
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::new(error.to_string())
    }
}

impl From<Error> for std::io::Error {
    fn from(error: Error) -> Self {
        let kind = match error.code {
            Some(ErrorCode::NotFound) => std::io::ErrorKind::NotFound,
            Some(ErrorCode::NoSpace) => std::io::ErrorKind::StorageFull,
            _ => std::io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

/// Adds a line that says what was being done.
pub trait Context<T> {
    /// Puts `message` above the error.
    fn context(self, message: impl Into<String>) -> Result<T>;
    /// Puts the line that `message` makes above the error.
    fn with_context<M: Into<String>>(self, message: impl FnOnce() -> M) -> Result<T>;
}

impl<T, E: Into<Error>> Context<T> for Result<T, E> {
    fn context(self, message: impl Into<String>) -> Result<T> {
        self.map_err(|error| error.into().context(message))
    }

    fn with_context<M: Into<String>>(self, message: impl FnOnce() -> M) -> Result<T> {
        self.map_err(|error| error.into().context(message()))
    }
}

/// Returns from the function with an [`Error`] made from a format string.
#[macro_export]
macro_rules! bail {
    ($($text:tt)*) => {
        return Err($crate::Error::new(format!($($text)*)))
    };
}

fn code_word(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::Denied => "denied",
        ErrorCode::NotFound => "not-found",
        ErrorCode::Exists => "exists",
        ErrorCode::NotADirectory => "not-a-directory",
        ErrorCode::IsADirectory => "is-a-directory",
        ErrorCode::NotEmpty => "not-empty",
        ErrorCode::NotPermitted => "not-permitted",
        ErrorCode::ReadOnly => "read-only",
        ErrorCode::NoSpace => "no-space",
        ErrorCode::Loop => "loop",
        ErrorCode::NameTooLong => "name-too-long",
        ErrorCode::Invalid => "invalid",
        ErrorCode::Unsupported => "unsupported",
        ErrorCode::CrossDevice => "cross-device",
        ErrorCode::Busy => "busy",
        ErrorCode::MissingTool => "missing-tool",
        ErrorCode::Interrupted => "interrupted",
        ErrorCode::Io => "io",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn context_keeps_code_and_status_and_puts_the_cause_below() {
        let low = Error {
            code: Some(ErrorCode::NotFound),
            ..Error::new("a: missing")
        }
        .with_status(7);
        let high = low.context("reading a");
        assert!(high.is_not_found());
        assert_eq!((high.status(), high.to_string().as_str()), (7, "reading a"));
        assert_eq!(high.cause().unwrap().to_string(), "a: missing");
    }

    #[test]
    fn an_error_survives_the_way_through_io() {
        let through: Error = std::io::Error::from(Error::new("x").with_status(3)).into();
        assert_eq!((through.status(), through.to_string().as_str()), (3, "x"));
    }
}
