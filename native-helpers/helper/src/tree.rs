//! The calls of `osbuild:stage/tree` that the kernel ties to CAP_SYS_ADMIN: extended attributes in `security.*` and `trusted.*`.

use std::os::fd::OwnedFd;

use osbuild_wasm_protocol::{Bytes, Failure, XattrName, XattrPath, XattrValue};
use rustix::fs::{OFlags, XattrFlags, getxattr, listxattr, removexattr, setxattr};
use rustix::io::Errno;

use crate::access::{Access, Need, descriptor_path};
use crate::failure::{About, denied};

/// Most bytes of one attribute or list that the kernel handles (XATTR_SIZE_MAX, XATTR_LIST_MAX).
const LIMIT: usize = 65536;

/// The object itself, opened without touching its content; the kernel's link in /proc then stands for it, symbolic links included.
fn open(access: &Access, path: &str, follow: bool, need: Need) -> Result<OwnedFd, Failure> {
    let follow = if follow {
        OFlags::empty()
    } else {
        OFlags::NOFOLLOW
    };
    access.open(path, need, OFlags::PATH | follow)
}

/// Names, sorted.
pub fn list(access: &Access, of: &XattrPath) -> Result<Vec<String>, Failure> {
    let file = open(access, &of.path, of.follow, Need::Read)?;
    let mut buffer = vec![0; LIMIT];
    let count = listxattr(descriptor_path(&file), &mut buffer[..])
        .about(&of.path, "list the extended attributes")?;
    let names = buffer[..count]
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty());
    let mut names: Vec<String> = names
        .map(|name| String::from_utf8_lossy(name).into_owned())
        .collect();
    names.sort();
    Ok(names)
}

/// A value, if it is set.
pub fn get(access: &Access, name: &XattrName) -> Result<Option<Bytes>, Failure> {
    let file = open(access, &name.path, name.follow, Need::Read)?;
    let mut buffer = vec![0; LIMIT];
    match getxattr(descriptor_path(&file), &name.name, &mut buffer[..]) {
        Err(Errno::NODATA) => Ok(None),
        count => {
            buffer.truncate(count.about(&name.path, format!("read the attribute {}", name.name))?);
            Ok(Some(Bytes(buffer)))
        }
    }
}

/// Sets a value.
pub fn set(access: &Access, attribute: &XattrValue) -> Result<(), Failure> {
    check(&attribute.name)?;
    let file = open(access, &attribute.path, attribute.follow, Need::Write)?;
    let result = setxattr(
        descriptor_path(&file),
        &attribute.name,
        &attribute.value.0,
        XattrFlags::empty(),
    );
    result.about(
        &attribute.path,
        format!("set the attribute {}", attribute.name),
    )
}

/// Removes an attribute.
pub fn remove(access: &Access, name: &XattrName) -> Result<(), Failure> {
    check(&name.name)?;
    let file = open(access, &name.path, name.follow, Need::Write)?;
    removexattr(descriptor_path(&file), &name.name)
        .about(&name.path, format!("remove the attribute {}", name.name))
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
