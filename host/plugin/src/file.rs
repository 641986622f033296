//! Files that appear whole or not at all.
use crate::error::{PluginError, Result};
use std::path::Path;

/// Writes a file, with the directories that lead to it: somebody may be reading what was there before.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(directory).map_err(PluginError::io(directory))?;
    let mut file = tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(directory)
        .map_err(PluginError::io(directory))?;
    std::io::Write::write_all(&mut file, bytes)
        .and_then(|()| file.as_file().sync_all())
        .map_err(PluginError::io(path))?;
    file.persist(path)
        .map(drop)
        .map_err(|error| PluginError::io(path)(error.error))
}
