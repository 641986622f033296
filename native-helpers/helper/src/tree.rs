//! The calls of `osbuild:stage/tree` that the kernel ties to CAP_SYS_ADMIN: extended attributes in `security.*` and `trusted.*`.

use std::os::fd::OwnedFd;

use osbuild_wasm_protocol::{Failure, XattrValue};
use rustix::fs::{XattrFlags, setxattr};

use crate::access::{Access, Need, descriptor_path};
use crate::failure::{About, denied};

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
