//! Files that this program writes beside exports: each appears all at once, or not at all.
use osbuild_wasm_report::Diagnostic;
use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tempfile::NamedTempFile;

/// Finds out whether `path` could be written now.
pub(crate) fn check(path: &Path) -> Result<(), Diagnostic> {
    new_file(path).map(drop).map_err(cannot_write(path))
}

/// Writes `content` to `path`, which may exist.
pub(crate) fn write(path: &Path, content: &[u8]) -> Result<(), Diagnostic> {
    let written = || {
        let mut file = new_file(path)?;
        file.write_all(content)?;
        file.persist(path).map_err(|error| error.error)
    };
    written().map(drop).map_err(cannot_write(path))
}

fn cannot_write(path: &Path) -> impl Fn(io::Error) -> Diagnostic {
    move |error| {
        Diagnostic::new(format!("cannot write {}", path.display())).cause(error.to_string())
    }
}

/// A file beside `path` that is to take its place.
fn new_file(path: &Path) -> io::Result<NamedTempFile> {
    if path.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    tempfile::Builder::new()
        .prefix(".osbuild-wasm-")
        .permissions(Permissions::from_mode(0o644))
        .tempfile_in(directory.unwrap_or(Path::new(".")))
}
