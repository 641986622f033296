//! The calls of `osbuild:stage/tree` that the kernel ties to CAP_SYS_ADMIN: extended attributes in `security.*` and `trusted.*`.

use std::os::fd::OwnedFd;

use osbuild_wasm_protocol::{Failure, XattrValue};
use rustix::fs::{OFlags, XattrFlags, setxattr};

use crate::access::{Access, Need, descriptor_path};
use crate::failure::{About, denied};

/// The object itself, opened without touching its content; the kernel's link in /proc then stands for it, symbolic links included.
fn open(access: &Access, path: &str, follow: bool, need: Need) -> Result<OwnedFd, Failure> {
    let follow = if follow {
        OFlags::empty()
    } else {
        OFlags::NOFOLLOW
    };
    access.open(path, need, OFlags::PATH | follow)
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
