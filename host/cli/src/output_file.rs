//! Files that this program writes beside exports: each appears all at once, or not at all.
use crate::command_error::{CommandError, Result};
use osbuild_wasm_files::{NewFile, write_file, write_private_file};
use osbuild_wasm_report::Diagnostic;
use std::io;
use std::path::Path;

/// Finds out whether `path` could be written now.
pub(crate) fn check(path: &Path) -> Result<()> {
    NewFile::create(path)
        .map(drop)
        .map_err(|error| CommandError::invalid(cannot_write(path, &error)))
}

/// Writes `content` to `path`, which may exist.
pub(crate) fn write(path: &Path, content: &[u8]) -> Result<()> {
    write_file(path, content).map_err(|error| CommandError::failed(cannot_write(path, &error)))
}

/// The same for this user's eyes only.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> Result<()> {
    write_private_file(path, content)
        .map_err(|error| CommandError::failed(cannot_write(path, &error)))
}

fn cannot_write(path: &Path, error: &io::Error) -> Diagnostic {
    Diagnostic::new(format!("cannot write {}", path.display())).cause(error.to_string())
}
