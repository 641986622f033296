//! What the store has. Its content was verified when it came; it is looked at again whenever it is used.

use crate::checksum::{Checksum, FILES};
use osbuild_wasm_files::with_causes;
use osbuild_wasm_store::{Store, StoreError};
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Bytes read at a time.
const PIECE: usize = 256 * 1024;

/// Whether the store has a file with the content that its key says. One with another content goes.
pub(crate) fn has_file(store: &Store, checksum: &Checksum) -> Result<bool, String> {
    let key = checksum.to_string();
    let failed = |problem: &dyn std::fmt::Display| format!("cannot look for {key}: {problem}");
    let there = store.has_source(FILES, &key);
    if !there.map_err(|error| failed(&with_causes(&error)))? {
        return Ok(false);
    }
    let directory = store.sources(FILES);
    let path = directory
        .map_err(|error| failed(&with_causes(&error)))?
        .join(&key);
    let has = check(store, FILES, &key, &path, || has_content(&path, checksum));
    let has = has.map_err(|problem| failed(&problem))?;
    if !has {
        osbuild_wasm_files::remove_tree(&path).map_err(|error| failed(&with_causes(&error)))?;
    }
    Ok(has)
}

/// Whether something of the store is right: if it does not look as it did when it was verified, `verify` decides.
pub(crate) fn check(
    store: &Store,
    content_type: &str,
    key: &str,
    at: &Path,
    verify: impl FnOnce() -> Result<bool, String>,
) -> Result<bool, String> {
    let text = |error: StoreError| with_causes(&error);
    if store.is_as_noted(content_type, key, at).map_err(text)? {
        return Ok(true);
    }
    let right = verify()?;
    if right {
        store.note(content_type, &[key]).map_err(text)?;
    }
    Ok(right)
}

/// Verifies a file of the store that a stage is about to get; `at` is its name there.
///
/// # Errors
/// One line: its content is not what its key says.
pub fn verify_file(store: &Store, key: &str, at: &Path) -> Result<(), String> {
    let checksum = Checksum::parse(key)?;
    match check(store, FILES, key, at, || has_content(at, &checksum))? {
        true => Ok(()),
        false => Err(format!(
            "{key} was changed in the store after it had been fetched: run again, which fetches it anew"
        )),
    }
}

/// Whether there is a regular file with this content.
fn has_content(path: &Path, checksum: &Checksum) -> Result<bool, String> {
    let failed = |error: std::io::Error| format!("cannot read {}: {error}", path.display());
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let mut file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(rustix::io::Errno::LOOP) => return Ok(false),
        Err(error) => return Err(failed(error.into())),
    };
    if !file.metadata().map_err(failed)?.is_file() {
        return Ok(false);
    }
    let (mut hasher, mut piece) = (checksum.hasher(), vec![0; PIECE]);
    loop {
        match file.read(&mut piece).map_err(failed)? {
            0 => return Ok(hasher.take() == *checksum),
            count => hasher.update(&piece[..count]),
        }
    }
}
