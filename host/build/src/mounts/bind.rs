//! `org.osbuild.bind`: a part of the mounts, seen in the tree.
use super::{below, place, text};
use crate::failure::{BuildError, Result};
use crate::inputs::open_in_tree;
use crate::leases::refused;
use crate::sandbox::{MOUNTS, Sandbox, TREE};
use osbuild_wasm_capability::policy::Links;
use osbuild_wasm_manifest::model::Mount;
use osbuild_wasm_protocol::{BindMount, Session};
use rustix::fs::OFlags;
use std::path::Path;

/// Binds it.
pub(super) fn mount(mount: &Mount, session: &Session, sandbox: &Sandbox) -> Result<()> {
    let bind = bind(mount)?;
    if sandbox.links == Links::Refuse {
        refuse_link(&bind, sandbox).map_err(|error| {
            let reason = format!("`target` {}: {error}", bind.target);
            BuildError::manifest(place(mount), reason)
        })?;
    }
    session
        .call(bind, &[])
        .map(drop)
        .map_err(refused(&place(mount)))
}

/// Refuses a target that leads through a link; the helper, which opens it, follows links within the tree.
fn refuse_link(bind: &BindMount, sandbox: &Sandbox) -> std::io::Result<()> {
    let path = bind.target.strip_prefix(TREE).unwrap_or(&bind.target);
    let path = Path::new(".").join(path.trim_start_matches('/'));
    let tree = sandbox.tree()?;
    open_in_tree(&tree, &path.to_string_lossy(), OFlags::PATH, Links::Refuse).map(drop)
}

/// Everything behind the scheme is the path, whether or not it begins with a slash.
fn bind(mount: &Mount) -> Result<BindMount> {
    let of = |location: Option<&str>, scheme: &str, directory, name: &str| {
        let path = location.and_then(|location| location.strip_prefix(scheme));
        let path = path.and_then(|path| below(directory, path));
        path.ok_or_else(|| {
            let reason = format!("`{name}` must be {scheme} and a path inside of {directory}");
            BuildError::manifest(place(mount), reason)
        })
    };
    Ok(BindMount {
        source: of(text(mount, "source"), "mount://", MOUNTS, "source")?,
        target: of(mount.target.as_deref(), "tree://", TREE, "target")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mounts::tests::mount_of;
    use serde_json::json;

    #[test]
    fn whole_paths_count() {
        let of = |source: &str, target: &str| {
            let options = json!({"source": source});
            let bind = bind(&mount_of("org.osbuild.bind", target, options)).ok()?;
            Some((bind.source, bind.target))
        };
        let bound = |source: &str, target: &str| {
            Some((format!("{MOUNTS}{source}"), format!("{TREE}{target}")))
        };
        assert_eq!(of("mount://", "tree://boot"), bound("", "/boot"));
        assert_eq!(of("mount:///", "tree:///boot/efi"), bound("", "/boot/efi"));
        assert_eq!(of("mount://a/b", "tree://c/d/e"), bound("/a/b", "/c/d/e"));
        assert_eq!(of("mount://a", "tree://"), bound("/a", ""));
        for (source, target) in [
            ("tree://a", "tree://b"),
            ("mount://a", "/b"),
            ("mount://../a", "tree://b"),
            ("mount://a", "tree://b/../../etc"),
        ] {
            assert_eq!(of(source, target), None, "{source} {target}");
        }
    }
}
