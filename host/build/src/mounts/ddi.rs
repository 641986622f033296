//! `org.osbuild.ddi`: all file systems of a discoverable disk image.
use super::{device_path, flag, place, target, text};
use crate::failure::Result;
use crate::leases::refused;
use crate::sandbox::Sandbox;
use osbuild_wasm_manifest::model::Mount;
use osbuild_wasm_protocol::{MountImage, Session};

/// Mounts it and returns where.
pub(super) fn mount(mount: &Mount, session: &Session, sandbox: &Sandbox) -> Result<String> {
    let image = image(mount, device_path(mount, sandbox)?)?;
    let mounted = session.call(image, &[]).map_err(refused(&place(mount)))?;
    Ok(mounted.path)
}

fn image(mount: &Mount, device: String) -> Result<MountImage> {
    let text = |name| text(mount, name).map(str::to_owned);
    Ok(MountImage {
        device,
        target: target(mount)?,
        read_only: flag(mount, "read-only", false),
        grow: flag(mount, "growfs", true),
        check: flag(mount, "fsck", true),
        discard: text("discard"),
        policy: text("image-policy"),
        filter: text("image-filter"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mounts::tests::mount_of;
    use serde_json::json;

    #[test]
    fn options_have_defaults_and_are_passed_on() {
        let of = |options| {
            let mount = mount_of("org.osbuild.ddi", "/image", options);
            image(&mount, "/dev/loop0".into()).unwrap()
        };
        let plain = of(json!({}));
        assert!(plain.grow && plain.check && !plain.read_only && plain.discard.is_none());
        let other = of(json!({
            "growfs": false, "fsck": false, "read-only": true, "discard": "all",
            "image-policy": "root=verity", "image-filter": "root=x*",
        }));
        assert!(!other.grow && !other.check && other.read_only);
        assert_eq!(other.discard.as_deref(), Some("all"));
        assert_eq!(other.policy.as_deref(), Some("root=verity"));
        assert_eq!(other.filter.as_deref(), Some("root=x*"));
    }
}
