//! A session's grant, checked, and contract paths resolved inside of it.

use std::ffi::OsStr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use osbuild_wasm_protocol::{BuildRoot, Directory, Failure, Grant};
use rustix::fs::{Mode, OFlags, ResolveFlags, mkdirat, openat2};
use rustix::io::Errno;

use crate::failure::{About, denied, invalid};
use crate::scope::{Bounds, Scopes};
use crate::{device, privilege};

/// Contract path of the tree.
pub const TREE: &str = "/run/osbuild/tree";

/// What a session may use.
#[derive(Debug)]
pub struct Access {
    bounds: Arc<Bounds>,
    pub grant: Grant,
}

/// Whether a call changes what it opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    Read,
    Write,
}

impl Access {
    /// Checks every part of the grant against the bounds of this process.
    pub fn check(bounds: Arc<Bounds>, grant: Grant) -> Result<Self, Failure> {
        bounds.charter.check(&grant)?;
        let access = Self { bounds, grant };
        for directory in &access.grant.directories {
            check_contract(&directory.contract, "/run/osbuild")?;
            access.open_host(&directory.host)?;
        }
        for granted in &access.grant.devices {
            check_contract(&granted.contract, "/dev")?;
            device::open(&access, &granted.host)?;
        }
        if let BuildRoot::Directory(root) = &access.grant.build_root {
            access.open_host(root)?;
        }
        access.open_host(&access.grant.scratch)?;
        if let Some(cache) = &access.grant.runner_cache {
            access.open_host(cache.parent().unwrap_or(cache))?;
        }
        privilege::check(&access.grant.capabilities)?;
        Ok(access)
    }

    /// The directories that this process may touch.
    pub fn scopes(&self) -> &Scopes {
        &self.bounds.scopes
    }

    /// Opens a directory of the grant.
    pub fn open_host(&self, path: &Path) -> Result<OwnedFd, Failure> {
        self.scopes()
            .open_path(path, OFlags::PATH | OFlags::DIRECTORY)
    }

    /// Refuses a typed call whose program the grant has under none of these names.
    pub fn require(&self, names: &[&str]) -> Result<(), Failure> {
        let base = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
        let mut granted = self.grant.programs.iter().map(|program| base(program));
        if granted.any(|program| names.iter().any(|name| base(name) == program)) {
            return Ok(());
        }
        let name = names.first().copied().unwrap_or_default();
        let detail = "the module's metadata does not name this program: add it to `programs` there";
        Err(denied(name, detail))
    }

    /// The directories that programs may change: granted ones, and that for their /etc and /var.
    pub fn writable(&self) -> Result<Vec<OwnedFd>, Failure> {
        let granted = self.grant.directories.iter();
        let granted = granted.filter(|directory| directory.writable);
        let hosts = granted.map(|directory| &directory.host);
        hosts
            .chain([&self.grant.scratch])
            .map(|host| self.open_host(host))
            .collect()
    }

    /// The granted directory that a contract path lies in (the innermost), and the rest of the path.
    pub fn locate<'a>(&self, contract: &'a str) -> Result<(&Directory, &'a Path), Failure> {
        let path = Path::new(contract);
        let inside = self.grant.directories.iter().filter_map(|directory| {
            let rest = path.strip_prefix(&directory.contract).ok()?;
            Some((directory, rest))
        });
        let innermost = inside.min_by_key(|(_, rest)| rest.components().count());
        innermost.ok_or_else(|| denied(contract, "the path is in no directory that was granted"))
    }

    /// Opens a contract path as if the granted directory were `/`. A file that is made gets mode 0644.
    pub fn open(&self, contract: &str, need: Need, flags: OFlags) -> Result<OwnedFd, Failure> {
        let (directory, rest) = self.locate(contract)?;
        if need == Need::Write && !directory.writable {
            return Err(read_only(contract));
        }
        let root = self.open_host(&directory.host)?;
        open_inside(&root, rest, flags).about(contract, "open")
    }

    /// Where a contract path really is; what it names must exist.
    pub fn real_path(&self, contract: &str, need: Need) -> Result<PathBuf, Failure> {
        real_path(self.open(contract, need, OFlags::PATH)?).about(contract, "resolve")
    }

    /// The path that a tool in the build root's sandbox sees for a contract path, with symbolic links resolved as this process does
    /// it (there, absolute ones would start at the sandbox's root). What it names may be missing, its directory not.
    pub fn sandbox_path(&self, contract: &str, need: Need) -> Result<PathBuf, Failure> {
        let (directory, _) = self.locate(contract)?;
        let real = match self.real_path(contract, need) {
            Err(failure) if failure.code == osbuild_wasm_protocol::ErrorCode::NotFound => {
                let (parent, name) = split(contract)?;
                self.real_path(parent, need)?.join(name)
            }
            real => real?,
        };
        let root = real_path(self.open_host(&directory.host)?).about(contract, "resolve")?;
        let rest = real
            .strip_prefix(root)
            .map_err(|_| denied(contract, "the path leads out of what was granted"))?;
        Ok(Path::new(&directory.contract).join(rest))
    }

    /// Makes a directory and those above it, inside the granted one, and opens it.
    pub fn make_directory(&self, contract: &str) -> Result<OwnedFd, Failure> {
        let (directory, rest) = self.locate(contract)?;
        let root = self.open_host(&directory.host)?;
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        match open_inside(&root, rest, flags) {
            Err(Errno::NOENT) if directory.writable => {
                make_inside(&root, rest).about(contract, "make this directory")
            }
            Err(Errno::NOENT) => Err(read_only(contract)),
            opened => opened.about(contract, "open"),
        }
    }
}

fn read_only(contract: &str) -> Failure {
    Failure::new(
        osbuild_wasm_protocol::ErrorCode::ReadOnly,
        contract,
        "the granted directory is read-only",
    )
}

/// A contract path must be plain and below `top`.
fn check_contract(contract: &str, top: &str) -> Result<(), Failure> {
    let rest = Path::new(contract)
        .strip_prefix(top)
        .ok()
        .filter(|rest| rest.components().next().is_some());
    let plain = rest.is_some_and(|rest| {
        rest.components()
            .all(|part| matches!(part, Component::Normal(_)))
    });
    let clean = plain
        && !contract.contains(['\0', '\n'])
        && !contract.ends_with('/')
        && !contract.contains("//");
    if clean {
        Ok(())
    } else {
        Err(invalid(
            contract,
            format!("the grant's contract path is no plain path below {top}"),
        ))
    }
}

fn split(contract: &str) -> Result<(&str, &OsStr), Failure> {
    let (parent, name) = contract.rsplit_once('/').unwrap_or(("", contract));
    match name {
        "" | "." | ".." => Err(invalid(contract, "the path does not end in a name")),
        _ => Ok((parent, OsStr::from_bytes(name.as_bytes()))),
    }
}

/// Opens `rest` as if `root` were `/`.
pub fn open_inside(root: impl AsFd, rest: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let rest = if rest.as_os_str().is_empty() {
        Path::new(".")
    } else {
        rest
    };
    let mode = if flags.contains(OFlags::CREATE) {
        Mode::from_raw_mode(0o644)
    } else {
        Mode::empty()
    };
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    // EAGAIN: something was renamed meanwhile and the kernel could not prove that the path stays inside.
    loop {
        match openat2(root.as_fd(), rest, flags | OFlags::CLOEXEC, mode, resolve) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            opened => return opened,
        }
    }
}

fn make_inside(root: &OwnedFd, rest: &Path) -> rustix::io::Result<OwnedFd> {
    let mut here = open_inside(root, Path::new("."), OFlags::PATH | OFlags::DIRECTORY)?;
    let mut done = PathBuf::new();
    for part in rest.components() {
        done.push(part);
        if let Component::Normal(name) = part {
            match mkdirat(&here, name, Mode::from_raw_mode(0o755)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno),
            }
        }
        // From the root each time, so that links and ".." mean what they mean for every other call.
        here = open_inside(root, &done, OFlags::PATH | OFlags::DIRECTORY)?;
    }
    Ok(here)
}

/// Where an open file is, as the kernel tells it.
pub fn real_path(file: impl AsFd) -> rustix::io::Result<PathBuf> {
    let link = rustix::fs::readlink(descriptor_path(&file), Vec::new())?;
    Ok(PathBuf::from(OsStr::from_bytes(link.to_bytes())))
}

/// A path that names an open file itself.
pub fn descriptor_path(file: impl AsFd) -> String {
    format!("/proc/self/fd/{}", file.as_fd().as_raw_fd())
}

#[cfg(test)]
mod tests {
    use super::*;
    use osbuild_wasm_protocol::ErrorCode;

    fn access(top: &Path, writable: bool) -> Access {
        for directory in ["tree/sub", "scratch"] {
            std::fs::create_dir_all(top.join(directory)).unwrap();
        }
        let tree = Directory {
            contract: TREE.into(),
            host: top.join("tree"),
            writable,
        };
        let grant = Grant {
            directories: vec![tree],
            scratch: top.join("scratch"),
            ..Grant::default()
        };
        let bounds = Bounds {
            scopes: Scopes::open(&[top.to_owned()]).unwrap(),
            charter: osbuild_wasm_protocol::Charter::default(),
        };
        Access::check(Arc::new(bounds), grant).unwrap()
    }

    #[test]
    fn links_are_resolved_inside_the_granted_directory() {
        let top = tempfile::tempdir().unwrap();
        let access = access(top.path(), true);
        std::os::unix::fs::symlink("/etc/passwd", top.path().join("tree/absolute")).unwrap();
        std::os::unix::fs::symlink("../../../../etc/passwd", top.path().join("tree/up")).unwrap();
        std::os::unix::fs::symlink("/sub/file", top.path().join("tree/fine")).unwrap();
        std::fs::write(top.path().join("tree/sub/file"), "x").unwrap();
        let real = |path: &str| {
            access
                .real_path(path, Need::Read)
                .map_err(|failure| failure.code)
        };
        for outside in ["absolute", "up", "../../../etc/passwd"] {
            assert_eq!(
                real(&format!("{TREE}/{outside}")),
                Err(ErrorCode::NotFound),
                "{outside}"
            );
        }
        assert_eq!(real("/etc/passwd"), Err(ErrorCode::Denied));
        assert_eq!(real("/run/osbuild/treehouse"), Err(ErrorCode::Denied));
        let file = std::fs::canonicalize(top.path())
            .unwrap()
            .join("tree/sub/file");
        assert_eq!(real("/run/osbuild/tree/fine"), Ok(file));
        let seen = access
            .sandbox_path("/run/osbuild/tree/fine", Need::Read)
            .unwrap();
        assert_eq!(seen, Path::new("/run/osbuild/tree/sub/file"));
    }

    #[test]
    fn a_read_only_directory_is_not_written() {
        let top = tempfile::tempdir().unwrap();
        let access = access(top.path(), false);
        let flags = OFlags::WRONLY | OFlags::CREATE;
        let failure = access
            .open("/run/osbuild/tree/new", Need::Write, flags)
            .unwrap_err();
        assert_eq!(failure.code, ErrorCode::ReadOnly);
        assert_eq!(
            access
                .make_directory("/run/osbuild/tree/new")
                .unwrap_err()
                .code,
            ErrorCode::ReadOnly
        );
    }

    #[test]
    fn contract_paths_of_a_grant_must_be_plain() {
        for bad in [
            "/run/osbuild",
            "/run/osbuild/..",
            "/run/osbuild/../etc",
            "/etc",
            "run/osbuild/tree",
            "/run/osbuild/tree/",
            "",
        ] {
            assert!(check_contract(bad, "/run/osbuild").is_err(), "{bad}");
        }
        assert!(check_contract("/run/osbuild/inputs/a b", "/run/osbuild").is_ok());
    }
}
