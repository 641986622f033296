//! A session's grant, checked, and contract paths resolved inside of it.

use std::ffi::OsStr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use osbuild_wasm_protocol::{BuildRoot, Directory, Failure, Grant, Place, Position};
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, mkdirat, openat, openat2};
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
    /// What the grant counts.
    files: Vec<OwnedFd>,
}

/// Whether a call changes what it opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    Read,
    Write,
}

impl Access {
    /// Checks every part of the grant, and what came with it, against the bounds of this process.
    pub fn check(bounds: Arc<Bounds>, grant: Grant, files: Vec<OwnedFd>) -> Result<Self, Failure> {
        bounds.charter.check(&grant)?;
        let access = Self {
            bounds,
            grant,
            files,
        };
        let (grant, scopes) = (&access.grant, access.scopes());
        for directory in &grant.directories {
            check_contract(&directory.contract, "/run/osbuild")?;
            scopes.check(
                access.open_directory(&directory.place)?,
                &directory.contract,
            )?;
        }
        for granted in &grant.devices {
            check_contract(&granted.contract, "/dev")?;
            device::granted(&access, granted)?;
        }
        if let BuildRoot::Directory(root) = &grant.build_root {
            scopes.check(access.directory(*root)?, "build root")?;
        }
        scopes.check(access.directory(grant.scratch)?, "scratch directory")?;
        if let Some(cache) = &grant.runner_cache {
            scopes.check(access.directory(cache.directory)?, "runner cache")?;
            check_name(&cache.name)?;
        }
        if let Some(proxy) = &grant.network {
            scopes.check(access.file(proxy.socket)?, "proxy")?;
        }
        privilege::check(&grant.capabilities)?;
        Ok(access)
    }

    /// The directories that this process may touch.
    pub fn scopes(&self) -> &Scopes {
        &self.bounds.scopes
    }

    /// A descriptor of the grant.
    pub fn file(&self, position: Position) -> Result<&OwnedFd, Failure> {
        let missing = || invalid("", "a descriptor of the grant did not come with it");
        self.files.get(position).ok_or_else(missing)
    }

    /// A directory of the grant.
    pub fn directory(&self, position: Position) -> Result<OwnedFd, Failure> {
        let file = self.file(position)?;
        let stat = fstat(file).about("", "look at a directory of the grant")?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => file.try_clone().about("", "copy a descriptor"),
            _ => Err(invalid("", "a descriptor of the grant is no directory")),
        }
    }

    /// Opens a directory of the grant as it is now, with what is mounted on it.
    pub fn open_directory(&self, place: &Place) -> Result<OwnedFd, Failure> {
        let (position, name) = match place {
            Place::Itself(position) => return self.directory(*position),
            Place::In(position, name) => (*position, name),
        };
        check_name(name)?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        openat(self.file(position)?, name, flags, Mode::empty()).about(name, "open")
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
        let opened = granted.map(|directory| self.open_directory(&directory.place));
        opened.chain([self.directory(self.grant.scratch)]).collect()
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

    /// Refuses a file that came with a call and does not lie in a granted directory, as the mounts of this process have it.
    pub fn holds(&self, file: impl AsFd, path: &str, need: Need) -> Result<(), Failure> {
        let file = file.as_fd();
        self.scopes().check_mount(file, path)?;
        let real = real_path(file).about(path, "find this file")?;
        let mut innermost: Option<(usize, &Directory)> = None;
        for directory in &self.grant.directories {
            let root =
                real_path(self.open_directory(&directory.place)?).about(path, "find its root")?;
            let depth = root.components().count();
            if real.starts_with(&root) && innermost.is_none_or(|(other, _)| depth > other) {
                innermost = Some((depth, directory));
            }
        }
        match innermost {
            None => Err(denied(path, "the file is in no directory that was granted")),
            Some((_, directory)) if need == Need::Write && !directory.writable => {
                Err(read_only(path))
            }
            Some(_) => Ok(()),
        }
    }

    /// Opens a contract path as if the granted directory were `/`. A file that is made gets mode 0644.
    pub fn open(&self, contract: &str, need: Need, flags: OFlags) -> Result<OwnedFd, Failure> {
        let (directory, rest) = self.locate(contract)?;
        if need == Need::Write && !directory.writable {
            return Err(read_only(contract));
        }
        let root = self.open_directory(&directory.place)?;
        open_inside(&root, rest, flags).about(contract, "open")
    }

    /// Where a contract path really is; what it names must exist.
    pub fn real_path(&self, contract: &str, need: Need) -> Result<PathBuf, Failure> {
        real_path(self.open(contract, need, OFlags::PATH)?).about(contract, "resolve")
    }

    /// The path that a tool in the build root's sandbox sees for a contract path, with symbolic links resolved as this process does
    /// it (there, absolute ones would start at the sandbox's root). What it names may be missing, its directory not.
    pub fn sandbox_path(&self, contract: &str, need: Need) -> Result<PathBuf, Failure> {
        let real = match self.real_path(contract, need) {
            Err(failure) if failure.code == osbuild_wasm_protocol::ErrorCode::NotFound => {
                let (parent, name) = split(contract)?;
                self.real_path(parent, need)?.join(name)
            }
            real => real?,
        };
        self.seen_as(contract, &real)
    }

    /// The path that a tool sees for what was opened by a contract path.
    pub fn seen_at(&self, contract: &str, file: &OwnedFd) -> Result<PathBuf, Failure> {
        let real = real_path(file).about(contract, "resolve")?;
        self.seen_as(contract, &real)
    }

    fn seen_as(&self, contract: &str, real: &Path) -> Result<PathBuf, Failure> {
        let (directory, _) = self.locate(contract)?;
        let root = real_path(self.open_directory(&directory.place)?).about(contract, "resolve")?;
        let rest = real
            .strip_prefix(root)
            .map_err(|_| denied(contract, "the path leads out of what was granted"))?;
        // Joining with nothing would end in a slash.
        Ok(Path::new(&directory.contract)
            .join(rest)
            .components()
            .collect())
    }

    /// Makes a directory and those above it, inside the granted one, and opens it.
    pub fn make_directory(&self, contract: &str) -> Result<OwnedFd, Failure> {
        let (directory, rest) = self.locate(contract)?;
        let root = self.open_directory(&directory.place)?;
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

/// A name in a directory, and nothing that leads out of it.
fn check_name(name: &str) -> Result<(), Failure> {
    let mut parts = Path::new(name).components();
    match (parts.next(), parts.next()) {
        (Some(Component::Normal(part)), None) if part == name => Ok(()),
        _ => Err(invalid(name, "this is no name in a directory")),
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
            place: Place::In(0, "tree".into()),
            writable,
        };
        let grant = Grant {
            directories: vec![tree],
            scratch: 1,
            ..Grant::default()
        };
        let bounds = Bounds {
            scopes: Scopes::find(&[top.to_owned()]).unwrap(),
            charter: osbuild_wasm_protocol::Charter::default(),
        };
        let open = |path: PathBuf| std::fs::File::open(path).unwrap().into();
        let files = vec![open(top.to_owned()), open(top.join("scratch"))];
        Access::check(Arc::new(bounds), grant, files).unwrap()
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
