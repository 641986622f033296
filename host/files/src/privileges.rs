//! Whether a tree has what gives its users more than they have.
use crate::FilesError;
use crate::dirs::{Found, handle, proc_path, walk};
use crate::error::At;
use rustix::fs::FileType;
use rustix::io::Errno;
use std::path::Path;

/// Set-uid and set-gid.
const SET_ID: u32 = 0o6000;
const EXECUTABLE: u32 = 0o111;

/// Whether `tree` has set-uid or set-gid programs, programs with capabilities (capabilities(7)), or device nodes.
///
/// # Errors
/// The tree cannot be read.
pub fn holds_privileges(tree: &Path) -> Result<bool, FilesError> {
    let mut holds = false;
    walk(tree, &mut |found| {
        holds = holds || gives_privileges(found).at("examine", found.path)?;
        Ok(())
    })?;
    Ok(holds)
}

fn gives_privileges(found: &Found<'_>) -> Result<bool, Errno> {
    Ok(match FileType::from_raw_mode(found.stat.st_mode) {
        FileType::BlockDevice | FileType::CharacterDevice => true,
        FileType::RegularFile if found.stat.st_mode & SET_ID != 0 => true,
        FileType::RegularFile if found.stat.st_mode & EXECUTABLE != 0 => {
            let file = handle(found.dir, found.name)?;
            let mut size: [u8; 0] = [];
            match rustix::fs::getxattr(proc_path(&file), "security.capability", &mut size) {
                Ok(size) => size > 0,
                Err(Errno::NODATA | Errno::NOTSUP) => false,
                Err(error) => return Err(error),
            }
        }
        _ => false,
    })
}
