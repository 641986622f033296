//! What this process may do at all.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use osbuild_wasm_protocol::{Charter, Failure};
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};

use crate::failure::{About, denied};

/// A directory of the command line.
#[derive(Debug)]
struct Scope {
    /// As given; grants name it so.
    given: PathBuf,
    /// Without symbolic links; the kernel names it so.
    real: PathBuf,
    directory: OwnedFd,
}

/// What this process was started for.
#[derive(Debug)]
pub struct Bounds {
    pub scopes: Scopes,
    pub charter: Charter,
}

/// All directories that this process may touch.
#[derive(Debug)]
pub struct Scopes(Vec<Scope>);

impl Scopes {
    /// Opens the directories of the command line.
    pub fn open(paths: &[PathBuf]) -> Result<Self, Failure> {
        paths
            .iter()
            .map(|path| Scope::open(path))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Opens a host path of a grant: no symbolic link on its way, no step upwards, inside of a scope.
    pub fn open_path(&self, host: &Path, flags: OFlags) -> Result<OwnedFd, Failure> {
        let outside = || {
            denied(
                host.to_string_lossy(),
                "the grant names a path outside of this helper's scopes",
            )
        };
        if host.components().any(|part| part == Component::ParentDir) {
            return Err(outside());
        }
        let (scope, rest) = self.find(host).ok_or_else(outside)?;
        scope.open_below(rest, flags).map_err(|failure| Failure {
            path: host.to_string_lossy().into(),
            ..failure
        })
    }

    /// Whether a path as the kernel tells it (without symbolic links) lies in a scope.
    pub fn contains_real(&self, real: &Path) -> bool {
        self.0.iter().any(|scope| real.starts_with(&scope.real))
    }

    fn find<'a>(&self, host: &'a Path) -> Option<(&Scope, &'a Path)> {
        self.0.iter().find_map(|scope| {
            let rest = host
                .strip_prefix(&scope.given)
                .or_else(|_| host.strip_prefix(&scope.real));
            rest.ok().map(|rest| (scope, rest))
        })
    }
}

impl Scope {
    fn open(given: &Path) -> Result<Self, Failure> {
        let real = std::fs::canonicalize(given).about(given, "open this scope")?;
        let directory = rustix::fs::open(
            &real,
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        );
        Ok(Self {
            given: given.to_owned(),
            real,
            directory: directory.about(given, "open this scope")?,
        })
    }

    fn open_below(&self, rest: &Path, flags: OFlags) -> Result<OwnedFd, Failure> {
        let rest = if rest.as_os_str().is_empty() {
            Path::new(".")
        } else {
            rest
        };
        let resolve =
            ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        match openat2(
            self.directory.as_fd(),
            rest,
            flags | OFlags::CLOEXEC,
            Mode::empty(),
            resolve,
        ) {
            Err(rustix::io::Errno::LOOP | rustix::io::Errno::XDEV) => Err(denied(
                "",
                "the grant names a path with a symbolic link in it; give the real path",
            )),
            opened => opened.about("", "open what the grant names"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use osbuild_wasm_protocol::ErrorCode;

    #[test]
    fn only_real_paths_inside_are_opened() {
        let top = tempfile::tempdir().unwrap();
        let inside = top.path().join("inside");
        std::fs::create_dir_all(inside.join("tree")).unwrap();
        std::os::unix::fs::symlink("/etc", inside.join("link")).unwrap();
        let scopes = Scopes::open(std::slice::from_ref(&inside)).unwrap();
        let open = |path: PathBuf| {
            scopes
                .open_path(&path, OFlags::PATH)
                .map(drop)
                .map_err(|failure| failure.code)
        };
        assert_eq!(open(inside.join("tree")), Ok(()));
        assert_eq!(open(inside.clone()), Ok(()));
        assert_eq!(open(inside.join("none")), Err(ErrorCode::NotFound));
        for outside in [
            "link",
            "link/passwd",
            "..",
            "tree/../..",
            "/etc",
            "../insideout",
        ] {
            assert_eq!(
                open(inside.join(outside)),
                Err(ErrorCode::Denied),
                "{outside}"
            );
        }
    }
}
