//! Bubblewrap's command line: what a tool sees.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use osbuild_wasm_protocol::{BuildRoot, ErrorCode, Failure};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::access::{Access, TREE, open_inside};
use crate::device;
use crate::failure::{About, denied, invalid};
use crate::runner::Scratch;
use crate::tool::Shown;

/// Configuration of the build root that tools see, if it is there.
const CONFIGURATION: [&str; 4] = [
    "etc/mke2fs.conf",
    "etc/containers",
    "etc/selinux",
    "etc/alternatives",
];

/// What the build root's usr-merge makes of these.
const LINKS: [(&str, &str); 4] = [
    ("usr/lib", "/lib"),
    ("usr/lib64", "/lib64"),
    ("usr/bin", "/bin"),
    ("usr/sbin", "/sbin"),
];

/// Arguments that set up the file system of a sandbox; later ones go on top of earlier ones.
#[derive(Debug, Default)]
pub struct Sandbox {
    pub arguments: Vec<OsString>,
}

impl Sandbox {
    /// Adds words.
    pub fn add<const N: usize>(&mut self, words: [&dyn AsRef<std::ffi::OsStr>; N]) {
        self.arguments
            .extend(words.map(|word| word.as_ref().to_owned()));
    }

    /// Shows `source` of this machine at `target`, with all that is mounted below it. Device nodes in it cannot be opened.
    pub fn bind(&mut self, source: &Path, target: &Path, read_only: bool) {
        self.add([
            &if read_only { "--ro-bind" } else { "--bind" },
            &source,
            &target,
        ]);
    }

    /// The build root read-only as `/`, and everything of the grant at its contract path.
    pub fn build_root(access: &Access, scratch: &Scratch) -> Result<Self, Failure> {
        let root = root_path(access);
        let mut sandbox = Self::programs(root);
        if access.grant.build_root != BuildRoot::Host && is_directory(&root.join("boot")) {
            sandbox.bind(&root.join("boot"), Path::new("/boot"), true);
        }
        sandbox.bind(&scratch.etc(), Path::new("/etc"), false);
        sandbox.bind(&scratch.var(), Path::new("/var"), false);
        sandbox.kernel(scratch);
        sandbox.configuration(access, root)?;
        sandbox.devices(access);
        let mut directories: Vec<_> = access.grant.directories.iter().collect();
        directories.sort_by_key(|directory| directory.contract.len());
        for directory in directories {
            sandbox.bind(
                &directory.host,
                Path::new(&directory.contract),
                !directory.writable,
            );
        }
        Ok(sandbox)
    }

    /// The programs of a root and nothing of the grant.
    pub fn alone(root: &Path, scratch: &Scratch) -> Self {
        let mut sandbox = Self::programs(root);
        sandbox.kernel(scratch);
        sandbox
    }

    /// The /usr of a root, and private /run and /tmp.
    fn programs(root: &Path) -> Self {
        let mut sandbox = Self::default();
        if is_directory(&root.join("usr")) {
            sandbox.bind(&root.join("usr"), Path::new("/usr"), true);
        }
        for (text, link) in LINKS {
            sandbox.add([&"--symlink", &text, &link]);
        }
        sandbox.add([
            &"--tmpfs", &"/run", &"--perms", &"1777", &"--tmpfs", &"/tmp",
        ]);
        sandbox
    }

    /// The tree as `/`, writable.
    pub fn tree(access: &Access, scratch: &Scratch) -> Result<Self, Failure> {
        let mut sandbox = Self::default();
        let (directory, rest) = access.locate(TREE)?;
        if !directory.writable || !rest.as_os_str().is_empty() {
            return Err(denied(
                TREE,
                "programs run in the tree only where it may be changed",
            ));
        }
        let tree = access.open(
            TREE,
            crate::access::Need::Write,
            OFlags::PATH | OFlags::DIRECTORY,
        )?;
        kernel_directories(&tree)?;
        sandbox.bind(&directory.host, Path::new("/"), false);
        sandbox.kernel(scratch);
        for (path, mode) in [("run", "0755"), ("tmp", "1777")] {
            if real_directory(&tree, path)? {
                sandbox.add([&"--perms", &mode, &"--tmpfs", &Path::new("/").join(path)]);
            }
        }
        sandbox.devices(access);
        Ok(sandbox)
    }

    /// Shows one thing more.
    pub fn show(&mut self, shown: &Shown, scratch: &Scratch) {
        match shown {
            Shown::Host {
                source,
                target,
                read_only,
            } => self.bind(source, target, *read_only),
            Shown::Device { source, target } => self.add([&"--dev-bind", source, target]),
            Shown::Dev(target) => self.add([&"--dev", target]),
            Shown::Proc(target) => self.proc(target, scratch),
            Shown::Sys(target) => self.bind(Path::new("/sys"), target, true),
        }
    }

    /// /dev, /proc and /sys.
    fn kernel(&mut self, scratch: &Scratch) {
        for shown in [
            Shown::Dev("/dev".into()),
            Shown::Proc("/proc".into()),
            Shown::Sys("/sys".into()),
        ] {
            self.show(&shown, scratch);
        }
    }

    fn proc(&mut self, target: &Path, scratch: &Scratch) {
        self.add([&"--proc", &target]);
        self.bind(&scratch.command_line(), &target.join("cmdline"), true);
        // bubblewrap leaves these writable for root, and a core_pattern would run a program outside of every sandbox.
        for name in ["acpi", "fs", "scsi", "sys"] {
            self.add([
                &"--ro-bind-try",
                &Path::new("/proc").join(name),
                &target.join(name),
            ]);
        }
    }

    /// Granted devices, and the loop devices that this run attached itself.
    fn devices(&mut self, access: &Access) {
        for granted in &access.grant.devices {
            self.add([&"--dev-bind", &granted.host, &granted.contract]);
        }
        for attached in device::attached(access) {
            self.add([&"--dev-bind", &attached, &attached]);
        }
    }

    fn configuration(&mut self, access: &Access, root: &Path) -> Result<(), Failure> {
        let directory = root_directory(access)?;
        for path in CONFIGURATION.into_iter().chain(["ostree"]) {
            // No links: they would be followed on this machine rather than in the build root.
            let found = rustix::fs::statat(&directory, path, rustix::fs::AtFlags::SYMLINK_NOFOLLOW);
            let kind = found.map(|stat| FileType::from_raw_mode(stat.st_mode));
            if matches!(kind, Ok(FileType::Directory | FileType::RegularFile)) {
                self.bind(&root.join(path), &Path::new("/").join(path), true);
            }
        }
        Ok(())
    }
}

/// Path of the build root on this machine.
pub fn root_path(access: &Access) -> &Path {
    match &access.grant.build_root {
        BuildRoot::Host => Path::new("/"),
        BuildRoot::Directory(path) => path,
    }
}

/// The build root.
pub fn root_directory(access: &Access) -> Result<OwnedFd, Failure> {
    directory_of(&access.grant.build_root, access)
}

/// Any root of programs.
pub fn directory_of(root: &BuildRoot, access: &Access) -> Result<OwnedFd, Failure> {
    let flags = OFlags::PATH | OFlags::DIRECTORY;
    match root {
        BuildRoot::Host => {
            rustix::fs::open("/", flags | OFlags::CLOEXEC, Mode::empty()).about("/", "open")
        }
        BuildRoot::Directory(path) => access.scopes.open_path(path, flags),
    }
}

/// Makes what is missing of the tree's /dev, /proc and /sys. None may be a link: bubblewrap would mount elsewhere.
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
fn real_directory(tree: &OwnedFd, name: &str) -> Result<bool, Failure> {
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

fn is_directory(path: &Path) -> bool {
    path.symlink_metadata()
        .is_ok_and(|metadata| metadata.is_dir())
}

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

/// Refuses variables that are none.
pub fn check_environment(variables: &[(String, String)]) -> Result<(), Failure> {
    for (name, value) in variables {
        let first = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        let plain = first && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !plain || value.contains('\0') {
            return Err(invalid(
                name,
                "this is no name or value of an environment variable",
            ));
        }
    }
    Ok(())
}
