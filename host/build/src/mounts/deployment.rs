//! `org.osbuild.ostree.deployment`: a deployment as the root of the tree or of the mounts.
use super::{place, text};
use crate::failure::{BuildError, Result};
use crate::inputs::ostree::Ostree;
use crate::leases::{Helpers, refused};
use crate::sandbox::{MOUNTS, Sandbox, TREE};
use osbuild_wasm_manifest::json::Value;
use osbuild_wasm_manifest::model::Mount;
use osbuild_wasm_protocol::{Deployment, DeploymentName, Session};

/// A deployment as the manifest names it.
#[derive(Debug, PartialEq, Eq)]
struct Named {
    osname: String,
    reference: String,
    serial: u32,
}

/// Mounts it.
pub(super) fn mount(
    mount: &Mount,
    session: &Session,
    helpers: Helpers<'_>,
    sandbox: &Sandbox,
) -> Result<()> {
    let root = root(mount)?;
    let name = match named(mount)? {
        None => None,
        Some(named) => Some(DeploymentName {
            commit: commit(mount, root, &named.reference, helpers, sandbox)?,
            osname: named.osname,
            serial: named.serial,
        }),
    };
    let root = root.to_owned();
    let mounted = session.call(Deployment { root, name }, &[]);
    mounted.map(drop).map_err(refused(&place(mount)))
}

/// Contract path of the system root.
fn root(mount: &Mount) -> Result<&'static str> {
    match text(mount, "source") {
        None | Some("tree") => Ok(TREE),
        Some("mount") => Ok(MOUNTS),
        Some(other) => {
            let reason = format!("`source` is tree or mount, not {other:?}");
            Err(BuildError::manifest(place(mount), reason))
        }
    }
}

/// The deployment that the options name; none: the only one.
fn named(mount: &Mount) -> Result<Option<Named>> {
    let wrong = |reason: &str| BuildError::manifest(place(mount), reason);
    let Some(deployment) = mount.options.get("deployment") else {
        return Err(wrong("option `deployment` is missing"));
    };
    if deployment.get("default").and_then(Value::as_bool) == Some(true) {
        return Ok(None);
    }
    let text = |name| deployment.get(name).and_then(Value::as_str);
    let (Some(osname), Some(reference)) = (text("osname"), text("ref")) else {
        return Err(wrong("`deployment` needs `osname` and `ref`, or `default`"));
    };
    let serial = match deployment.get("serial") {
        None => Some(0),
        Some(serial) => serial.as_whole().and_then(|serial| serial.try_into().ok()),
    };
    Ok(Some(Named {
        osname: osname.to_owned(),
        reference: reference.to_owned(),
        serial: serial.ok_or_else(|| wrong("`serial` must be a whole number, 0 or more"))?,
    }))
}

/// The commit that a ref of the system root's repository names.
fn commit(
    mount: &Mount,
    root: &str,
    reference: &str,
    helpers: Helpers<'_>,
    sandbox: &Sandbox,
) -> Result<String> {
    let found = sandbox
        .roots
        .iter()
        .rfind(|granted| granted.contract == root);
    let Some(granted) = found else {
        return Err(BuildError::manifest(place(mount), "there is no such root"));
    };
    let ostree = Ostree::new(helpers, sandbox, place(mount))?.seeing(root, &granted.host, false)?;
    let repository = format!("--repo={root}/ostree/repo");
    let commit = ostree.run(&["rev-parse", &repository, reference])?;
    Ok(commit.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mounts::tests::mount_of;
    use serde_json::json;

    #[test]
    fn a_deployment_is_named_or_the_only_one() {
        let of = |options| named(&mount_of("org.osbuild.ostree.deployment", "", options)).ok();
        assert_eq!(of(json!({"deployment": {"default": true}})), Some(None));
        let expected = |serial| {
            Some(Some(Named {
                osname: "fedora".into(),
                reference: "fedora/x86_64".into(),
                serial,
            }))
        };
        let name = json!({"osname": "fedora", "ref": "fedora/x86_64"});
        assert_eq!(of(json!({"deployment": name})), expected(0));
        let name = json!({"osname": "fedora", "ref": "fedora/x86_64", "serial": 2});
        assert_eq!(of(json!({"deployment": name})), expected(2));
        for bad in [
            json!({}),
            json!({"deployment": {"osname": "fedora"}}),
            json!({"deployment": {"osname": "a", "ref": "b", "serial": 0.5}}),
        ] {
            assert_eq!(of(bad.clone()), None, "{bad}");
        }
    }

    #[test]
    fn the_system_root_is_the_tree_or_the_mounts() {
        let of = |options| root(&mount_of("org.osbuild.ostree.deployment", "", options)).ok();
        assert_eq!(of(json!({})), Some(TREE));
        assert_eq!(of(json!({"source": "mount"})), Some(MOUNTS));
        assert_eq!(of(json!({"source": "input"})), None);
    }
}
