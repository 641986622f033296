//! What a program sees and how it is started in there.
//!
//! `view` gathers what is shown, by descriptor; `first` is the process that puts it together (`assemble`) as told by `spec`.

mod assemble;
pub mod first;
pub mod spec;
pub mod view;

use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use osbuild_wasm_protocol::Failure;
use rustix::fs::{FileType, OFlags};

pub use self::assemble::reading;
pub use self::view::{Shown, View, directory_of, kernel_directories, root_directory};
use crate::access::open_inside;
use crate::failure::denied;

/// A target for a further bind in a build root's sandbox that is in no granted directory: the private /run or /tmp.
pub fn private_target(target: &str) -> Result<PathBuf, Failure> {
    let path = Path::new(target);
    let private = ["/run", "/tmp"]
        .iter()
        .any(|top| path.starts_with(top) && path != Path::new(top));
    if !private
        || path
            .components()
            .skip(1)
            .any(|part| !matches!(part, Component::Normal(_)))
    {
        return Err(denied(
            target,
            "a bind can go below a granted directory, /run or /tmp",
        ));
    }
    Ok(path.to_owned())
}

/// Path inside `root` of a program: an absolute path as it is, a name where PATH has it.
pub fn find_program(root: &OwnedFd, program: &str) -> Option<PathBuf> {
    let candidates: Vec<PathBuf> = if program.contains('/') {
        vec![PathBuf::from(program)]
    } else {
        ["/usr/sbin", "/usr/bin", "/sbin", "/bin"]
            .map(|directory| Path::new(directory).join(program))
            .to_vec()
    };
    candidates.into_iter().find(|path| is_program(root, path))
}

fn is_program(root: &OwnedFd, path: &Path) -> bool {
    let stat = open_inside(root, path, OFlags::PATH).and_then(rustix::fs::fstat);
    stat.is_ok_and(|stat| {
        FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile && stat.st_mode & 0o111 != 0
    })
}
