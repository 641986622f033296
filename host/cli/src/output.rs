//! Files that this program writes beside exports: each appears all at once, or not at all.
use osbuild_wasm_files::{NewFile, write_file};
use osbuild_wasm_report::Diagnostic;
use std::io;
use std::path::Path;

/// Finds out whether `path` could be written now.
pub(crate) fn check(path: &Path) -> Result<(), Diagnostic> {
    NewFile::create(path).map(drop).map_err(cannot_write(path))
}

/// Writes `content` to `path`, which may exist.
pub(crate) fn write(path: &Path, content: &[u8]) -> Result<(), Diagnostic> {
    write_file(path, content).map_err(cannot_write(path))
}

fn cannot_write(path: &Path) -> impl Fn(io::Error) -> Diagnostic {
    move |error| {
        Diagnostic::new(format!("cannot write {}", path.display())).cause(error.to_string())
    }
}
