//! What is in the directory that stands for a file system.

use std::fs::{File, Metadata};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use osbuild_wasm_protocol::{ErrorCode, Failure};
use rustix::fs::{IFlags, Mode, OFlags, ioctl_getflags, llistxattr, open};
use rustix::io::Errno;

use crate::access::descriptor_path;
use crate::failure::About;

/// Flags that change what may be done with a file; no program takes them over.
const FLAGS: IFlags = IFlags::IMMUTABLE.union(IFlags::APPEND);

/// Names of attributes take less than this together, see xattr(7).
const NAMES: usize = 65536;

/// The files below a directory.
pub struct Content<'a> {
    pub directory: &'a OwnedFd,
    /// A path that leads to it.
    pub top: PathBuf,
}

impl<'a> Content<'a> {
    /// That of an open directory.
    pub fn new(directory: &'a OwnedFd) -> Self {
        // What lies behind the kernel's link, not that.
        let top = Path::new(&descriptor_path(directory)).join(".");
        Self { directory, top }
    }

    /// Calls `visit` with everything in it and the directory itself, a directory before what is in it.
    pub fn visit(
        &self,
        visit: &mut dyn FnMut(&Path, &Metadata) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        // No recursion: a tree may be deeper than any stack.
        let mut todo = vec![self.top.to_owned()];
        while let Some(path) = todo.pop() {
            let metadata = path.symlink_metadata().about(&path, "look at this file")?;
            visit(&path, &metadata)?;
            if metadata.is_dir() {
                for entry in path.read_dir().about(&path, "list this directory")? {
                    todo.push(entry.about(&path, "list this directory")?.path());
                }
            }
        }
        Ok(())
    }

    /// The path in the file system.
    pub fn inside<'p>(&self, path: &'p Path) -> &'p Path {
        path.strip_prefix(&self.top).unwrap_or(path)
    }

    /// Fails with the first thing that no program takes over.
    pub fn check(&self) -> Result<(), Failure> {
        self.visit(&mut |path, metadata| match unusual(path, metadata)? {
            Some(what) => Err(self.cannot(path, what)),
            None => Ok(()),
        })
    }

    /// The refusal of what the file system would lose.
    pub fn cannot(&self, path: &Path, what: &str) -> Failure {
        let detail = format!("made without a device it cannot have {what}: use loop devices");
        let path = Path::new("/").join(self.inside(path));
        Failure::new(ErrorCode::Unsupported, path.to_string_lossy(), detail)
    }
}

fn unusual(path: &Path, metadata: &Metadata) -> Result<Option<&'static str>, Failure> {
    if attributes(path)?
        .split(|byte| *byte == 0)
        .any(|name| name.starts_with(b"trusted."))
    {
        return Ok(Some("attributes of trusted.*"));
    }
    if !metadata.is_dir() && !metadata.is_file() {
        return Ok(None);
    }
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(open(path, flags, Mode::empty()).about(path, "open this file")?);
    match ioctl_getflags(&file) {
        Ok(flags) if flags.intersects(FLAGS) => Ok(Some("files that are immutable or append-only")),
        _ => Ok(None),
    }
}

/// Names of the attributes, each with a zero byte behind it.
pub fn attributes(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut names = Vec::with_capacity(NAMES);
    match llistxattr(path, rustix::buffer::spare_capacity(&mut names)) {
        Ok(_) | Err(Errno::OPNOTSUPP) => Ok(names),
        Err(errno) => Err(errno).about(path, "list attributes"),
    }
}
