//! What this process may do at all.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use osbuild_wasm_protocol::{Charter, Failure};
use rustix::fs::{Mode, OFlags};

use crate::access::real_path;
use crate::failure::{About, denied};
use crate::mount::table;

/// What this process was started for.
#[derive(Debug)]
pub struct Bounds {
    pub scopes: Scopes,
    pub charter: Charter,
}

/// A directory of the command line.
#[derive(Debug)]
struct Scope {
    /// Without symbolic links; the kernel names it so.
    real: PathBuf,
    /// Number of the mount that it is on, which nothing else gets while the directory is open.
    mount: u64,
    _directory: OwnedFd,
}

/// All directories that this process may touch.
#[derive(Debug)]
pub struct Scopes(Vec<Scope>);

impl Scopes {
    /// Finds the directories of the command line.
    pub fn find(paths: &[PathBuf]) -> Result<Self, Failure> {
        paths
            .iter()
            .map(|path| Scope::find(path))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Refuses what is open unless it lies in a scope, as the mounts of this process have it. `name` is for messages.
    pub fn check(&self, file: impl AsFd, name: &str) -> Result<(), Failure> {
        self.check_mount(&file, name)?;
        let real = real_path(file).about(name, "find out where it is")?;
        match self.contains_real(&real) {
            true => Ok(()),
            false => Err(denied(
                name,
                "the grant has something outside of this helper's scopes",
            )),
        }
    }

    /// Refuses a file on a mount of another namespace: what the kernel calls it says nothing here.
    pub fn check_mount(&self, file: impl AsFd, name: &str) -> Result<(), Failure> {
        let id = table::id_of(file, name)?;
        let known = self.0.iter().any(|scope| scope.mount == id);
        if known || table::read(name)?.iter().any(|line| line.id == id) {
            return Ok(());
        }
        let detail = "it is on a mount that is not there for this run";
        Err(denied(name, detail))
    }

    /// Whether a path as the kernel tells it (without symbolic links) lies in a scope.
    pub fn contains_real(&self, real: &Path) -> bool {
        self.0.iter().any(|scope| real.starts_with(&scope.real))
    }
}

impl Scope {
    fn find(path: &Path) -> Result<Self, Failure> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::open(path, flags, Mode::empty());
        let directory = directory.about(path, "open this scope")?;
        Ok(Self {
            real: real_path(&directory).about(path, "find this scope")?,
            mount: table::id_of(&directory, &path.to_string_lossy())?,
            _directory: directory,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use osbuild_wasm_protocol::ErrorCode;

    #[test]
    fn only_what_lies_inside_passes_whatever_it_was_opened_by() {
        let top = tempfile::tempdir().unwrap();
        let inside = top.path().join("inside");
        for directory in ["inside/tree", "insideout"] {
            std::fs::create_dir_all(top.path().join(directory)).unwrap();
        }
        std::os::unix::fs::symlink("/etc", inside.join("link")).unwrap();
        std::os::unix::fs::symlink(inside.join("tree"), top.path().join("way")).unwrap();
        let scopes = Scopes::find(std::slice::from_ref(&inside)).unwrap();
        let check = |path: PathBuf| {
            let file = std::fs::File::open(path).unwrap();
            scopes.check(&file, "x").map_err(|failure| failure.code)
        };
        for fine in [inside.join("tree"), inside.clone(), top.path().join("way")] {
            assert_eq!(check(fine), Ok(()));
        }
        for outside in ["link", "link/passwd", "..", "tree/../..", "../insideout"] {
            assert_eq!(
                check(inside.join(outside)),
                Err(ErrorCode::Denied),
                "{outside}"
            );
        }
    }
}
