//! A part of the mounts, seen in the tree.

use osbuild_wasm_protocol::{BindMount, Failure, Mounted};
use rustix::fs::OFlags;

use super::place::{Place, copy};
use super::{MOUNTS, below, check_private};
use crate::access::{Need, TREE};
use crate::failure::denied;
use crate::session::Session;

/// Binds a directory, or a file, of the mounts onto one of the tree.
pub fn bind(session: &mut Session, bind: &BindMount) -> Result<Mounted, Failure> {
    if !below(&bind.source, &[MOUNTS]) {
        let detail = format!("only what is below {MOUNTS} can be bound into the tree");
        return Err(denied(&bind.source, detail));
    }
    if !below(&bind.target, &[TREE]) {
        return Err(denied(
            &bind.target,
            "mounts can be bound into the tree only",
        ));
    }
    let access = &session.access;
    let source = access.open(&bind.source, Need::Read, OFlags::PATH)?;
    let target = access.open(&bind.target, Need::Write, OFlags::PATH)?;
    check_private(&target, &bind.target)?;
    let place = Place::attach(copy(&source, &bind.source)?, &target, &bind.target)?;
    Ok(Mounted {
        handle: session.hold(Box::new(place)),
        path: bind.target.clone(),
    })
}
