//! Files that appear whole or not at all.
use crate::error::{PluginError, Result};
use osbuild_wasm_files::resolve::make_directory;
use osbuild_wasm_files::write_file;
use std::path::Path;

/// Writes a file, with the directories that lead to it: another process may be reading what was there before.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    if let Some(directory) = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
    {
        make_directory(directory).map_err(PluginError::io(directory))?;
    }
    write_file(path, bytes).map_err(PluginError::io(path))
}
