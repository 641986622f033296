//! After a crash of the machine: files whose content never reached the disk go.

use crate::checksum::{Checksum, FILES};
use crate::inline::chain;
use osbuild_wasm_store::Store;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Bytes read at a time.
const PIECE: usize = 256 * 1024;

/// Removes every file whose content has not the checksum that its name says, if the machine crashed while a run was adding some.
pub(crate) fn recover(store: &Store) -> Result<(), String> {
    let marks = store.crashed().map_err(|error| chain(&error))?;
    if marks.is_empty() {
        return Ok(());
    }
    let directory = store.sources(FILES).map_err(|error| chain(&error))?;
    let checked = check_all(&directory).and_then(|()| {
        let mut marks = marks.iter();
        marks.try_for_each(std::fs::remove_file)
    });
    checked.map_err(|error| {
        format!(
            "cannot check {} after a crash: {error}",
            directory.display()
        )
    })
}

fn check_all(directory: &Path) -> std::io::Result<()> {
    let mut piece = vec![0; PIECE];
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let Ok(wanted) = Checksum::parse(&entry.file_name().to_string_lossy()) else {
            continue;
        };
        let (mut file, mut hasher) = (File::open(entry.path())?, wanted.hasher());
        loop {
            match file.read(&mut piece)? {
                0 => break,
                count => hasher.update(&piece[..count]),
            }
        }
        if hasher.take() != wanted {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
