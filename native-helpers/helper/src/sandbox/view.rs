//! What a program sees.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use osbuild_wasm_protocol::{BuildRoot, Bytes, ErrorCode, Failure};
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;

use super::spec::{Access as How, Place, Position, What};
use crate::access::{Access, Need, TREE};
use crate::device;
use crate::failure::{About, denied};
use crate::places::Part;
use crate::runner::Scratch;

/// Configuration of a build root that programs see, if it is there.
const CONFIGURATION: [&str; 5] = [
    "etc/mke2fs.conf",
    "etc/containers",
    "etc/selinux",
    "etc/alternatives",
    "ostree",
];

/// The same where programs are those of this machine: without the keys of etc/containers/certs.d, and without ostree, which has the
/// etc and var of all deployments there.
const CONFIGURATION_OF_THIS_MACHINE: [&str; 8] = [
    "etc/mke2fs.conf",
    "etc/containers/policy.json",
    "etc/containers/registries.conf",
    "etc/containers/registries.conf.d",
    "etc/containers/registries.d",
    "etc/containers/storage.conf",
    "etc/selinux",
    "etc/alternatives",
];

/// Where directories of the grant are.
const GIVEN: &str = "/run/osbuild";

/// What the build root's usr-merge makes of these.
const LINKS: [(&str, &str); 4] = [
    ("usr/lib", "/lib"),
    ("usr/lib64", "/lib64"),
    ("usr/bin", "/bin"),
    ("usr/sbin", "/sbin"),
];

/// The root directory of a sandbox and what is put into it; what comes later goes on top of what came earlier.
#[derive(Debug, Default)]
pub struct View {
    pub root: Option<Position>,
    pub root_is_read_only: bool,
    pub places: Vec<Place>,
    pub files: Vec<OwnedFd>,
}

/// Something more that a program sees, at a path of its sandbox.
#[derive(Debug)]
pub enum Shown {
    /// A file or directory that was opened, with all that is mounted below it. Device nodes in it cannot be opened.
    File {
        file: OwnedFd,
        target: PathBuf,
        read_only: bool,
    },
    /// A device node.
    Device { node: OwnedFd, target: PathBuf },
    /// The minimal /dev of a sandbox without devices of the grant, for programs that chroot.
    Dev(PathBuf),
    /// Its /proc.
    Proc(PathBuf),
    /// Its /sys, read only.
    Sys(PathBuf),
    /// Its /var.
    Var(PathBuf),
    /// An empty directory in memory, with this mode.
    Memory(PathBuf, u32),
}

impl Shown {
    /// A file or directory of the helper's own.
    pub fn own(
        source: &Path,
        target: impl Into<PathBuf>,
        read_only: bool,
    ) -> Result<Self, Failure> {
        Ok(Self::File {
            file: open_own(source)?,
            target: target.into(),
            read_only,
        })
    }
}

/// Opens something of the helper's own.
pub fn open_own(path: &Path) -> Result<OwnedFd, Failure> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).about(path, "open")
}

impl View {
    /// The build root read-only as `/`, and everything of the grant at its contract path.
    pub fn build_root(access: &Access, scratch: &Scratch) -> Result<Self, Failure> {
        let mut view = Self::preparing(access, scratch)?;
        view.devices(access)?;
        if access.grant.places.is_some() {
            view.put(GIVEN, What::Frame);
        }
        view.parts(access.parts()?);
        Ok(view)
    }

    /// The build root with its own /etc and /var, and nothing of the grant.
    pub fn preparing(access: &Access, scratch: &Scratch) -> Result<Self, Failure> {
        let root = root_directory(access)?;
        let mut view = Self::programs(&root)?;
        let mut configuration = &CONFIGURATION_OF_THIS_MACHINE[..];
        if access.grant.build_root != BuildRoot::Host {
            view.part(&root, "boot", FileType::Directory)?;
            configuration = &CONFIGURATION;
        }
        view.file(open_own(&scratch.etc())?, "/etc", How::Write);
        view.file(open_own(&scratch.var())?, "/var", How::Write);
        view.kernel(scratch)?;
        for path in configuration {
            if let Some(file) = part(&root, path)? {
                view.file(file, Path::new("/").join(path), How::Read);
                // What a program has put in the place of /etc/containers stays there.
                view.last_is_optional();
            }
        }
        Ok(view)
    }

    /// The programs of a root and nothing of the grant.
    pub fn alone(root: &OwnedFd, scratch: &Scratch) -> Result<Self, Failure> {
        let mut view = Self::programs(root)?;
        view.kernel(scratch)?;
        Ok(view)
    }

    /// The build root and nothing of the grant, where files of a call are put.
    pub fn of_call(access: &Access, scratch: &Scratch) -> Result<Self, Failure> {
        let mut view = Self::preparing(access, scratch)?;
        view.put(GIVEN, What::Frame);
        Ok(view)
    }

    fn parts(&mut self, parts: Vec<Part>) {
        for Part {
            file,
            target,
            writable,
        } in parts
        {
            self.file(file, target, if writable { How::Write } else { How::Read });
        }
    }

    /// The tree as `/`, writable where the programs have places.
    pub fn tree(access: &Access, scratch: &Scratch) -> Result<Self, Failure> {
        let (directory, rest) = access.locate(TREE)?;
        if !directory.writable || !rest.as_os_str().is_empty() {
            let detail = "programs run in the tree only where it may be changed";
            return Err(denied(TREE, detail));
        }
        let tree = access.open(TREE, Need::Write, OFlags::PATH | OFlags::DIRECTORY)?;
        kernel_directories(&tree)?;
        let memory = [("run", 0o755), ("tmp", 0o1777)];
        let memory: Vec<_> = memory
            .into_iter()
            .map(|(name, mode)| Ok(real_directory(&tree, name)?.then_some((name, mode))))
            .collect::<Result<_, Failure>>()?;
        let mut parts = access.parts_of(directory)?.into_iter();
        let whole = parts.next().filter(|part| part.target == Path::new(TREE));
        let Some(whole) = whole else {
            let detail = "no program runs in the tree: `programs-touch` of the module does not have the whole tree";
            return Err(denied(TREE, detail));
        };
        let mut view = Self::default();
        view.root = Some(view.hold(tree));
        view.root_is_read_only = !whole.writable;
        let inside = |part: Part| {
            let below = part.target.strip_prefix(TREE).unwrap_or(&part.target);
            let target = Path::new("/").join(below);
            Part { target, ..part }
        };
        view.parts(parts.map(inside).collect());
        view.kernel(scratch)?;
        for (name, mode) in memory.into_iter().flatten() {
            view.put(Path::new("/").join(name), What::Memory(mode));
        }
        view.devices(access)?;
        Ok(view)
    }

    /// Shows one thing more.
    pub fn show(&mut self, shown: Shown, scratch: &Scratch) -> Result<(), Failure> {
        match shown {
            Shown::File {
                file,
                target,
                read_only,
            } => {
                self.file(file, target, if read_only { How::Read } else { How::Write });
            }
            Shown::Device { node, target } => self.device(node, target),
            Shown::Dev(target) => self.put(target, What::Dev),
            Shown::Proc(target) => {
                let cmdline = self.hold(open_own(&scratch.command_line())?);
                self.put(target, What::Proc { cmdline });
            }
            Shown::Sys(target) => self.put(target, What::Sys),
            Shown::Var(target) => self.file(open_own(&scratch.var())?, target, How::Write),
            Shown::Memory(target, mode) => self.put(target, What::Memory(mode)),
        }
        Ok(())
    }

    /// Keeps a descriptor for the sandbox.
    pub fn hold(&mut self, file: OwnedFd) -> Position {
        self.files.push(file);
        self.files.len() - 1
    }

    fn put(&mut self, target: impl AsRef<Path>, what: What) {
        self.places.push(Place {
            target: Bytes(target.as_ref().as_os_str().as_bytes().to_vec()),
            what,
            optional: false,
        });
    }

    fn file(&mut self, file: OwnedFd, target: impl AsRef<Path>, access: How) {
        let file = self.hold(file);
        self.put(target, What::File { file, access });
    }

    /// A device, or a file that stands for one and so is no node of the machine.
    fn device(&mut self, node: OwnedFd, target: impl AsRef<Path>) {
        let how = match kind_of(&node) {
            Some(FileType::RegularFile) => How::Write,
            _ => How::Device,
        };
        self.file(node, target, how);
    }

    fn last_is_optional(&mut self) {
        if let Some(place) = self.places.last_mut() {
            place.optional = true;
        }
    }

    /// The /usr of a root, and private /run and /tmp.
    fn programs(root: &OwnedFd) -> Result<Self, Failure> {
        let mut view = Self::default();
        view.part(root, "usr", FileType::Directory)?;
        for (text, link) in LINKS {
            view.put(link, What::Link(text.to_owned()));
        }
        view.put("/run", What::Memory(0o755));
        view.put("/tmp", What::Memory(0o1777));
        Ok(view)
    }

    /// Shows a part of a root read-only at its own path, if it is there and of this kind.
    fn part(&mut self, root: &OwnedFd, path: &str, kind: FileType) -> Result<(), Failure> {
        match part(root, path)? {
            Some(file) if kind_of(&file) == Some(kind) => {
                self.file(file, Path::new("/").join(path), How::Read);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// /dev, /proc and /sys.
    fn kernel(&mut self, scratch: &Scratch) -> Result<(), Failure> {
        self.show(Shown::Dev("/dev".into()), scratch)?;
        self.show(Shown::Proc("/proc".into()), scratch)?;
        self.show(Shown::Sys("/sys".into()), scratch)
    }

    /// Granted devices, and the loop devices that this run attached itself.
    fn devices(&mut self, access: &Access) -> Result<(), Failure> {
        for (node, contract) in device::of_programs(access)? {
            self.device(node, contract);
        }
        Ok(())
    }
}

/// A file or directory of a root; none when it is missing. A link on the way, or at its end, counts as missing: it would lead to
/// something else than what lies there.
pub fn part(root: &OwnedFd, path: &str) -> Result<Option<OwnedFd>, Failure> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let opened = match openat2(root.as_fd(), path, flags, Mode::empty(), resolve) {
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(None),
        opened => opened.about(path, "open this part of the build root")?,
    };
    let shown = matches!(
        kind_of(&opened),
        Some(FileType::Directory | FileType::RegularFile)
    );
    Ok(shown.then_some(opened))
}

fn kind_of(file: impl AsFd) -> Option<FileType> {
    let stat = rustix::fs::fstat(file).ok()?;
    Some(FileType::from_raw_mode(stat.st_mode))
}

/// The build root.
pub fn root_directory(access: &Access) -> Result<OwnedFd, Failure> {
    directory_of(&access.grant.build_root, access)
}

/// Any root of programs.
pub fn directory_of(root: &BuildRoot, access: &Access) -> Result<OwnedFd, Failure> {
    match root {
        BuildRoot::Host => {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            rustix::fs::open("/", flags, Mode::empty()).about("/", "open")
        }
        BuildRoot::Directory(root) => access.directory(*root),
    }
}

/// Makes what is missing of the tree's /dev, /proc and /sys. None may be a link: it would be mounted elsewhere.
pub fn kernel_directories(tree: &OwnedFd) -> Result<(), Failure> {
    for name in ["dev", "proc", "sys"] {
        if !real_directory(tree, name)? {
            rustix::fs::mkdirat(tree, name, Mode::from_raw_mode(0o755))
                .about(name, "make this directory of the tree")?;
        }
    }
    Ok(())
}

/// Whether a name of the tree's root is a directory; false when it is missing.
fn real_directory(tree: impl AsFd, name: &str) -> Result<bool, Failure> {
    let tree: BorrowedFd<'_> = tree.as_fd();
    match rustix::fs::statat(tree, name, rustix::fs::AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => Ok(true),
        Ok(_) => Err(Failure::new(
            ErrorCode::NotADirectory,
            format!("/{name}"),
            "in the tree this must be a directory",
        )),
        Err(Errno::NOENT) => Ok(false),
        Err(errno) => Err(Failure::system(
            errno,
            format!("/{name}"),
            "cannot look at this path of the tree",
        )),
    }
}
