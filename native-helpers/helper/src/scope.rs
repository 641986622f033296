//! What this process may do at all.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use osbuild_wasm_protocol::{Charter, Failure};

use crate::access::real_path;
use crate::failure::{About, denied};
use crate::mount::table;

/// What this process was started for.
#[derive(Debug)]
pub struct Bounds {
    pub scopes: Scopes,
    pub charter: Charter,
}

/// All directories that this process may touch, without symbolic links: the kernel names them so.
#[derive(Debug)]
pub struct Scopes(Vec<PathBuf>);

impl Scopes {
    /// Finds the directories of the command line.
    pub fn find(paths: &[PathBuf]) -> Result<Self, Failure> {
        let real = |path: &PathBuf| std::fs::canonicalize(path).about(path, "find this scope");
        paths.iter().map(real).collect::<Result<_, _>>().map(Self)
    }

    /// Refuses what is open unless it lies in a scope, as the mounts of this process have it. `name` is for messages.
    pub fn check(&self, file: impl AsFd, name: &str) -> Result<(), Failure> {
        table::check_ours(&file, name)?;
        let real = real_path(file).about(name, "find out where it is")?;
        match self.contains_real(&real) {
            true => Ok(()),
            false => Err(denied(
                name,
                "the grant has something outside of this helper's scopes",
            )),
        }
    }

    /// Whether a path as the kernel tells it (without symbolic links) lies in a scope.
    pub fn contains_real(&self, real: &Path) -> bool {
        self.0.iter().any(|scope| real.starts_with(scope))
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
