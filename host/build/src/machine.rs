//! What the kernel keeps for root of the machine, and which parts of a manifest need it: in a user namespace these would fail in the
//! middle of a build, so they are refused before it.
use crate::failure::{BuildError, Result};
use crate::isolation::Isolation;
use crate::plan::AuthorizedPlan;
use crate::without_devices::{Devices, Made};
use crate::{devices, mounts};
use osbuild_wasm_component::Module;
use osbuild_wasm_manifest::json::Value;
use osbuild_wasm_manifest::model::Stage;
use rustix::fs::{Mode, OFlags, XattrFlags, fsetxattr, open};
use rustix::io::Errno;
use std::path::Path;

/// The stages whose programs set inode flags.
const INODE_FLAGS: [&str; 2] = [
    "org.osbuild.ostree.deploy",
    "org.osbuild.ostree.deploy.container",
];

/// The stages that give files their SELinux labels.
const LABELS: [&str; 2] = ["org.osbuild.selinux", "org.osbuild.ostree.selinux"];

/// Refuses the first stage of the pipelines that needs what this process cannot have. `directory` is where trees are.
pub(crate) fn refuse_impossible(
    isolation: &Isolation,
    devices: Devices,
    plan: &AuthorizedPlan<'_>,
    directory: &Path,
) -> Result<()> {
    let machine = Machine {
        restricted: !isolation.is_root_of_machine(),
        devices,
        labels: isolation.is_root_of_machine() || keeps_labels(directory),
    };
    for pipeline in plan.stages() {
        let mut made = Made::default();
        for (stage, module, place) in pipeline {
            if let Some(reason) = machine.refuses(stage, module, &mut made) {
                let place = format!("{place} ({})", stage.requested_module());
                return Err(BuildError::manifest(place, reason));
            }
        }
    }
    Ok(())
}

/// What there is for this run.
struct Machine {
    /// What the kernel keeps for root of the machine is out of reach.
    restricted: bool,
    devices: Devices,
    labels: bool,
}

impl Machine {
    /// Why the stage cannot run.
    fn refuses(&self, stage: &Stage, module: &Module, made: &mut Made) -> Option<String> {
        let by_devices = match self.devices {
            Devices::None => made.lacks(stage, module).map(|what| {
                format!(
                    "{what}, and files stand for devices here: build it as root with --devices=loop"
                )
            }),
            Devices::Loop => self.lacks_device(stage).map(only_root),
        };
        by_devices.or_else(|| {
            self.of_module(stage)
                .filter(|_| self.restricted)
                .map(only_root)
        })
    }

    /// What devices and mounts need and cannot have.
    fn lacks_device(&self, stage: &Stage) -> Option<String> {
        let mut devices = stage.devices.iter().filter_map(|device| {
            let what = devices::of_machine(&device.module)?;
            Some(format!(
                "device {} ({}) needs {what}",
                device.name, device.module
            ))
        });
        let mut mounts = stage.mounts.iter().filter_map(|mount| {
            let what = mounts::of_machine(&mount.module)?;
            Some(format!(
                "mount {} ({}) needs {what}",
                mount.name, mount.module
            ))
        });
        let lacks = || devices.next().or_else(|| mounts.next());
        self.restricted.then(lacks)?
    }

    /// What the module itself needs of root of the machine.
    fn of_module(&self, stage: &Stage) -> Option<String> {
        match stage.module.as_str() {
            "org.osbuild.chattr" if sets_immutable(&stage.options) => {
                Some("it needs inode flags".into())
            }
            module if INODE_FLAGS.contains(&module) => Some("it needs inode flags".into()),
            module if LABELS.contains(&module) && !self.labels => {
                Some("it needs SELinux labels".into())
            }
            _ => None,
        }
    }
}

fn only_root(what: String) -> String {
    format!("{what}, which only root of the machine has: build it as root")
}

/// Whether a flag is set, not just cleared.
fn sets_immutable(options: &Value) -> bool {
    let Some(items) = options.get("items").and_then(Value::as_object) else {
        return false;
    };
    items.iter().any(|(_, item)| {
        item.get("immutable")
            .and_then(Value::as_bool)
            .unwrap_or(true)
    })
}

/// Whether files here can have SELinux labels: that depends on the kernel's security modules and on the file system.
fn keeps_labels(directory: &Path) -> bool {
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    let Ok(file) = open(directory, flags, Mode::from_raw_mode(0o600)) else {
        // A file system that has no such files fails later, if at all, and then says so.
        return true;
    };
    let label = b"system_u:object_r:unlabeled_t:s0\0";
    !matches!(
        fsetxattr(&file, "security.selinux", label, XattrFlags::empty()),
        Err(Errno::PERM | Errno::ACCESS)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_flags_that_are_set_need_root() {
        for (items, sets) in [
            (json!({"tree:///a": {"immutable": true}}), true),
            (
                json!({"tree:///a": {"immutable": false}, "tree:///b": {}}),
                true,
            ),
            (json!({"tree:///a": {"immutable": false}}), false),
            (json!({}), false),
        ] {
            assert_eq!(sets_immutable(&json!({ "items": items }).into()), sets);
        }
    }
}
