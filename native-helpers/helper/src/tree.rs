//! The calls of `osbuild:stage/tree` that the kernel ties to CAP_SYS_ADMIN: extended attributes in `security.*` and `trusted.*`.

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use osbuild_wasm_protocol::{Bytes, ErrorCode, Failure, Trusted, TrustedValue, XattrValue};
use rustix::fs::{
    Dir, FileType, Mode, OFlags, ResolveFlags, XattrFlags, fstat, getxattr, listxattr, openat2,
    setxattr,
};
use rustix::io::Errno;

use crate::access::{Access, Need, descriptor_path};
use crate::failure::{About, denied};

/// Attributes that no process sees without CAP_SYS_ADMIN on the machine.
const TRUSTED: &[u8] = b"trusted.";

/// The kernel's own limit for a value and for a list of names (XATTR_SIZE_MAX, XATTR_LIST_MAX).
const LONGEST: usize = 64 << 10;

/// Bytes of attributes that are told of one tree.
const TOLD: usize = 8 << 20;

/// A path of so many bytes is opened as the beginning of the next: none gets longer than the kernel takes.
const STEP: usize = 1 << 10;

/// Sets a value. The kernel's link in /proc stands for the object itself, symbolic links included.
pub fn set(access: &Access, attribute: &XattrValue, [object]: [OwnedFd; 1]) -> Result<(), Failure> {
    check(&attribute.name)?;
    access.holds(&object, &attribute.path, Need::Write)?;
    let result = setxattr(
        descriptor_path(&object),
        &attribute.name,
        &attribute.value.0,
        XattrFlags::empty(),
    );
    result.about(
        &attribute.path,
        format!("set the attribute {}", attribute.name),
    )
}

/// The runtime changes all other attributes itself, without privilege.
fn check(name: &str) -> Result<(), Failure> {
    if name.starts_with("security.") || name.starts_with("trusted.") {
        return Ok(());
    }
    Err(denied(
        name,
        "only attributes in security.* and trusted.* are changed with privilege",
    ))
}

/// A directory to look through, or one object: its name below an open directory, and below the top.
struct Pending {
    base: Rc<OwnedFd>,
    name: PathBuf,
    below: PathBuf,
}

/// The attributes in trusted.* of an object and all below it on the same file system.
pub fn trusted(
    access: &Access,
    call: &Trusted,
    [object]: [OwnedFd; 1],
) -> Result<Vec<TrustedValue>, Failure> {
    access.holds(&object, &call.path, Need::Read)?;
    let (mut found, mut told) = (Vec::new(), 0);
    let mut pending = Vec::new();
    let top = Rc::new(object);
    let mut look = |object: BorrowedFd<'_>, below: &Path| {
        for (name, value) in values(object).about(&call.path, "read attributes in trusted.*")? {
            told += below.as_os_str().len() + name.len() + value.len();
            if told > TOLD {
                let detail = format!("its attributes in trusted.* take more than {TOLD} bytes");
                return Err(Failure::new(ErrorCode::NoSpace, &call.path, detail));
            }
            found.push(TrustedValue {
                below: Bytes(below.as_os_str().as_bytes().to_vec()),
                name,
                value: Bytes(value),
            });
        }
        Ok(())
    };
    look(top.as_fd(), Path::new(""))?;
    if is_directory(top.as_fd()) {
        pending.push(Pending {
            base: top,
            name: ".".into(),
            below: PathBuf::new(),
        });
    }
    while let Some(directory) = pending.pop() {
        let Some(opened) = directory.open().about(&call.path, "look through it")? else {
            continue;
        };
        for name in names(&opened).about(&call.path, "look through it")? {
            // One at a time: there may be more than descriptors.
            let object = open(&opened, &name, OFlags::PATH | OFlags::NOFOLLOW);
            let object = match object {
                // It is gone by now, or lies on another file system.
                Err(Errno::NOENT | Errno::XDEV) => continue,
                object => object.about(&call.path, "look through it")?,
            };
            let below = directory.below.join(&name);
            look(object.as_fd(), &below)?;
            if is_directory(object.as_fd()) {
                pending.push(directory.inside(&opened, &name, below));
            }
        }
    }
    Ok(found)
}

impl Pending {
    /// None: it is gone by now.
    fn open(&self) -> rustix::io::Result<Option<Rc<OwnedFd>>> {
        match open(&self.base, &self.name, OFlags::RDONLY | OFlags::DIRECTORY) {
            Err(Errno::NOENT) => Ok(None),
            opened => opened.map(|opened| Some(Rc::new(opened))),
        }
    }

    /// A directory in it, which is open as `opened`.
    fn inside(&self, opened: &Rc<OwnedFd>, name: &Path, below: PathBuf) -> Self {
        let (base, name) = match self.name.as_os_str().len() > STEP {
            true => (opened, name.to_owned()),
            false => (&self.base, self.name.join(name)),
        };
        Self {
            base: Rc::clone(base),
            name,
            below,
        }
    }
}

fn names(directory: &OwnedFd) -> rustix::io::Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for found in Dir::read_from(directory)? {
        let found = found?;
        let name = found.file_name().to_bytes();
        if !matches!(name, b"." | b"..") {
            all.push(PathBuf::from(OsStr::from_bytes(name)));
        }
    }
    Ok(all)
}

fn open(base: &OwnedFd, name: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let inside = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV;
    let links = match flags.contains(OFlags::PATH) {
        true => ResolveFlags::empty(),
        false => ResolveFlags::NO_SYMLINKS,
    };
    openat2(
        base,
        name,
        flags | OFlags::CLOEXEC,
        Mode::empty(),
        inside | links,
    )
}

fn is_directory(object: BorrowedFd<'_>) -> bool {
    let kind = fstat(object).map(|stat| FileType::from_raw_mode(stat.st_mode));
    kind == Ok(FileType::Directory)
}

fn values(object: BorrowedFd<'_>) -> rustix::io::Result<Vec<(String, Vec<u8>)>> {
    let path = descriptor_path(object);
    let mut buffer = vec![0; 512];
    let names = match listxattr(&path, &mut buffer[..]) {
        Err(Errno::RANGE) => {
            buffer.resize(LONGEST, 0);
            listxattr(&path, &mut buffer[..])
        }
        listed => listed,
    };
    let length = match names {
        Err(Errno::NOTSUP) => 0,
        length => length?,
    };
    let names = buffer[..length].split(|byte| *byte == 0);
    let mut all = Vec::new();
    for name in names.filter(|name| name.starts_with(TRUSTED)) {
        let mut value = vec![0; LONGEST];
        match getxattr(&path, OsStr::from_bytes(name), &mut value[..]) {
            Err(Errno::NODATA) => continue,
            length => value.truncate(length?),
        }
        all.push((String::from_utf8_lossy(name).into_owned(), value));
    }
    Ok(all)
}
