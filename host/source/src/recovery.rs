//! After a crash of the machine the content of some sources may never have reached the disk.

use osbuild_wasm_files::with_causes;
use osbuild_wasm_store::Store;

/// If the machine crashed while a run was adding sources, everything is verified once more when it is used.
pub(crate) fn recover(store: &Store) -> Result<(), String> {
    let marks = store.crashed().map_err(|error| with_causes(&error))?;
    if marks.is_empty() {
        return Ok(());
    }
    store.forget_notes().map_err(|error| with_causes(&error))?;
    let removed = marks
        .iter()
        .try_for_each(|mark| match std::fs::remove_file(mark) {
            // Another run may have been faster.
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        });
    removed.map_err(|error| format!("cannot take away the marks of a crash: {error}"))
}
