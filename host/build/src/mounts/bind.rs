//! `org.osbuild.bind`: a part of the mounts, seen in the tree.
use super::{below, place, text};
use crate::failure::{BuildError, Result};
use crate::leases::refused;
use crate::sandbox::{MOUNTS, TREE};
use osbuild_wasm_manifest::model::Mount;
use osbuild_wasm_protocol::{BindMount, Session};

/// Binds it.
pub(super) fn mount(mount: &Mount, session: &Session) -> Result<()> {
    let bind = bind(mount)?;
    session
        .call(bind, &[])
        .map(drop)
        .map_err(refused(&place(mount)))
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
