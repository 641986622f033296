//! Mount points that a commit does not bring: a unit makes them when the system starts, since nothing else can change the
//! root of a deployment.
use super::deployment::BOOT_MOUNTS;
use crate::disk;
use crate::manifest::Stage;
use osbuild_wasm_distro::PartitionTable;
use serde_json::json;

const SERVICE: &str = "osbuild-ostree-mountpoints.service";

fn added(table: &PartitionTable) -> Vec<&str> {
    let mut added: Vec<&str> = disk::mounts(table)
        .iter()
        .map(|mount| mount.target)
        .filter(|target| *target != "/" && !BOOT_MOUNTS.contains(target))
        .collect();
    added.sort_unstable();
    added
}

/// The unit, if there is something to make.
pub(super) fn service(table: &PartitionTable) -> Option<String> {
    (!added(table).is_empty()).then(|| SERVICE.into())
}

pub(super) fn unit_stages(table: &PartitionTable) -> Vec<Stage> {
    let paths = added(table);
    if paths.is_empty() {
        return Vec::new();
    }
    let missing: Vec<String> = paths
        .iter()
        .map(|path| format!("|!{}", path.replace('%', "%%")))
        .collect();
    let words: Vec<String> = paths.iter().map(|path| word(path)).collect();
    let mounts: Vec<String> = paths.iter().map(|path| disk::mount_unit(path)).collect();
    let unit = json!({
        "Description": "Ensure custom filesystem mountpoints exist",
        "DefaultDependencies": false,
        "ConditionPathIsDirectory": missing,
        "After": ["ostree-remount.service"],
        "Before": mounts,
    });
    let service = json!({
        "Type": "oneshot",
        "ExecStartPre": [attribute("-i")],
        "ExecStopPost": [attribute("+i")],
        "ExecStart": [format!("mkdir -p {}", words.join(" "))],
    });
    let install = json!({"WantedBy": ["local-fs.target"]});
    vec![
        Stage::new(
            "systemd.unit.create",
            json!({
                "filename": SERVICE,
                "unit-type": "system",
                "unit-path": "etc",
                "config": {"Unit": unit, "Service": service, "Install": install},
            }),
        ),
        Stage::new(
            "systemd.preset",
            json!({"presets": [{"name": SERVICE, "state": "enable"}]}),
        ),
    ]
}

/// The command that makes the root changeable, or unchangeable again; with composefs it never is.
fn attribute(change: &str) -> String {
    format!(
        "/bin/sh -c \"if grep -Uq composefs /run/ostree-booted; then echo 'Warning: composefs enabled! ensure \
         transient rootfs is enabled too.'; else chattr {change} /; fi\""
    )
}

/// One word of a command of systemd, whatever it holds.
/// <https://www.freedesktop.org/software/systemd/man/systemd.service.html#Command%20lines>
fn word(text: &str) -> String {
    let is_plain =
        |character: char| character.is_ascii_alphanumeric() || "/._-".contains(character);
    if text.chars().all(is_plain) {
        return text.into();
    }
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", escaped.replace('%', "%%").replace('$', "$$"))
}
