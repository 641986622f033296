//! What the kernel keeps for root of the machine, and which parts of a manifest need it: in a user namespace these would fail in the
//! middle of a build, so they are refused before it.
use crate::failure::{BuildError, Result};
use crate::plan::AuthorizedPlan;
use crate::user_namespace::is_root_of_machine;
use crate::vm::{self, VirtualMachines};
use crate::without_devices::{self, Devices, MAPPER_CONTROL, Made};
use crate::{devices, mounts};
use osbuild_wasm_capability::Interface;
use osbuild_wasm_capability::plan::Planned;
use osbuild_wasm_component::Module;
use osbuild_wasm_manifest::json::Value;
use osbuild_wasm_manifest::model::{Mount, Stage};
use rustix::fs::{Mode, OFlags, XattrFlags, fsetxattr, open};
use rustix::io::Errno;
use rustix::mount::{FsOpenFlags, fsopen};
use std::path::Path;

/// The stages whose programs set inode flags.
const INODE_FLAGS: [&str; 2] = [
    "org.osbuild.ostree.deploy",
    "org.osbuild.ostree.deploy.container",
];

/// The stages that give files their SELinux labels.
const LABELS: [&str; 2] = ["org.osbuild.selinux", "org.osbuild.ostree.selinux"];

/// Refuses the first stage of the pipelines that needs what this process cannot have; virtual machines have all of it, but their trees
/// come out. `directory` is where trees are.
pub(crate) fn refuse_impossible(
    (devices, machines): (Devices, Option<&VirtualMachines>),
    plan: &AuthorizedPlan<'_>,
    directory: &Path,
) -> Result<()> {
    let machine = Machine::here(devices, directory);
    let names = plan.document().pipelines.iter();
    for (stages, pipeline) in plan.stages().zip(names) {
        let inside = machines.is_some_and(|machines| machines.has(&pipeline.name));
        let mut made = Made::default();
        for (stage, module, planned) in stages {
            let reason = match inside {
                true => machine.loses(stage),
                false => machine.refuses((stage, module, planned), &pipeline.name, &mut made),
            };
            if let Some(reason) = reason {
                let place = format!("{} ({})", planned.ask.place, stage.requested_module());
                return Err(BuildError::manifest(place, reason));
            }
        }
    }
    Ok(())
}

/// A stage, what runs, and what is planned for it.
type Considered<'a> = (&'a Stage, &'a Module, &'a Planned);

/// What there is for a run.
pub(crate) struct Machine {
    /// What the kernel keeps for root of the machine is out of reach.
    restricted: bool,
    devices: Devices,
    /// Loop devices can be had.
    loops: bool,
    labels: bool,
}

/// What is known of a stage before it runs.
pub(crate) struct Prospect {
    /// Why it cannot run.
    pub(crate) lacks: Option<String>,
    /// Why its tree cannot leave a virtual machine.
    pub(crate) loses: Option<String>,
    /// What stands for each of its devices and mounts; empty: what it says.
    pub(crate) devices: Vec<String>,
    pub(crate) mounts: Vec<String>,
}

impl Machine {
    /// What this process can have.
    pub(crate) fn here(devices: Devices, directory: &Path) -> Self {
        let root = is_root_of_machine();
        Self {
            restricted: !root,
            devices,
            loops: Devices::of_machine() == Devices::Loop,
            labels: root || keeps_labels(directory),
        }
    }

    /// What is known of the stages of one pipeline.
    pub(crate) fn prospects<'a>(
        &self,
        pipeline: &str,
        stages: impl Iterator<Item = Considered<'a>>,
    ) -> Vec<Prospect> {
        let mut made = Made::default();
        let told = |by: String| match self.devices {
            Devices::Loop => String::new(),
            Devices::None => by,
        };
        let prospect = |considered: Considered<'_>| {
            let stage = considered.0;
            let devices = stage.devices.iter().map(without_devices::device_by);
            let mounts = stage.mounts.iter().map(without_devices::mount_by);
            Prospect {
                lacks: self.refuses(considered, pipeline, &mut made),
                loses: self.loses(stage),
                devices: devices.map(told).collect(),
                mounts: mounts.map(told).collect(),
            }
        };
        stages.map(prospect).collect()
    }

    /// Why the stage of a pipeline cannot run. A virtual machine has what a kernel lacks or keeps for root.
    fn refuses(
        &self,
        considered: Considered<'_>,
        pipeline: &str,
        made: &mut Made,
    ) -> Option<String> {
        let (stage, module, planned) = considered;
        let by_devices = match self.devices {
            Devices::None => made.lacks(stage, module).map(|what| {
                format!(
                    "{what}, and files stand for devices here: build it as root with --devices=loop"
                )
            }),
            Devices::Loop => self.lacks_device(stage, module),
        };
        let of_module = || self.of_module(stage).filter(|_| self.restricted);
        let of_kernel = by_devices.or_else(|| of_module().map(only_root));
        let otherwise = match vm::refuses(stage, module).or_else(|| self.loses(stage)) {
            None => format!(", or in a virtual machine with --in-vm {pipeline}"),
            Some(_) => String::new(),
        };
        of_kernel
            .map(|reason| reason + &otherwise)
            .or_else(|| self.lacks_program(stage, planned))
    }

    /// Why the tree of a stage cannot leave a virtual machine.
    fn loses(&self, stage: &Stage) -> Option<String> {
        let target = stage.options.get("target").and_then(Value::as_str);
        let of_tree = !target.is_some_and(|target| target.starts_with("mount://"));
        let labels = self.restricted && !self.labels && LABELS.contains(&stage.module.as_str());
        (labels && of_tree).then(|| only_root("its tree has SELinux labels".into()))
    }

    /// What devices and mounts need and cannot have.
    fn lacks_device(&self, stage: &Stage, module: &Module) -> Option<String> {
        let mut devices = stage.devices.iter().filter_map(|device| {
            let what = devices::of_machine(&device.module)?;
            let text = format!("device {} ({}) needs {what}", device.name, device.module);
            self.cannot_have(what, text)
        });
        let mut mounts = stage.mounts.iter().filter_map(|mount| {
            let what = mounts::of_machine(&mount.module)?;
            let text = format!("mount {} ({}) needs {what}", mount.name, mount.module);
            self.cannot_have(what, text)
                .or_else(|| lacks_file_system(mount))
        });
        let itself = || {
            let attaches = module.request.interfaces.contains(&Interface::Loopback);
            attaches.then(|| self.cannot_have(devices::LOOP, "it needs loop devices".into()))?
        };
        devices.next().or_else(|| mounts.next()).or_else(itself)
    }

    /// Why this process has no such thing, if it has not.
    fn cannot_have(&self, what: &str, text: String) -> Option<String> {
        if self.restricted {
            let otherwise = match what == devices::LOOP {
                true => ", or with --devices=none",
                false => "",
            };
            return Some(only_root(text) + otherwise);
        }
        match what {
            devices::LOOP if !self.loops => Some(format!(
                "{text}, and {} cannot be opened: load the module loop, or build with --devices=none",
                without_devices::LOOP_CONTROL
            )),
            devices::MAPPER if !without_devices::can_open(MAPPER_CONTROL) => Some(format!(
                "{text}, and {MAPPER_CONTROL} cannot be opened: load the module dm_mod, or build on a machine that has it"
            )),
            _ => None,
        }
    }

    /// The program without which a stage that works on a device cannot do anything, when it would be this machine's.
    fn lacks_program(&self, stage: &Stage, planned: &Planned) -> Option<String> {
        let programs = &planned.ask.module.programs;
        let works_on_device = !stage.devices.is_empty() && stage.mounts.is_empty();
        let missing = |names: &[String]| {
            let none = !names.is_empty() && !names.iter().any(|name| is_installed(name));
            none.then(|| {
                format!(
                    "program {} is not installed on this machine",
                    names.join(" or ")
                )
            })
        };
        let own = || missing(programs).filter(|_| works_on_device);
        let tools = || {
            let tools = without_devices::tools(stage).map(|name| vec![name.to_owned()]);
            tools.filter_map(|names| missing(&names)).next()
        };
        let reason = match self.devices {
            _ if !planned.ask.on_this_machine => None,
            Devices::Loop => own(),
            Devices::None => own().or_else(tools),
        };
        reason.map(|reason| format!("{reason}: install it, or give the pipeline a build root"))
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

/// Why the kernel cannot mount a file system, where nothing stands for it: programs do for FAT.
fn lacks_file_system(mount: &Mount) -> Option<String> {
    let name = mount.module.strip_prefix("org.osbuild.")?;
    if name == "fat" || mounts::of_machine(&mount.module).is_none() || name == "ddi" {
        return None;
    }
    let context = fsopen(name, FsOpenFlags::FSOPEN_CLOEXEC);
    let otherwise = match mounts::is_made_from_directory(&mount.module) {
        true => ", or build with --devices=none",
        false => "",
    };
    (context.err() == Some(Errno::NODEV)).then(|| {
        format!(
            "mount {} ({}): the kernel of this machine has no {name}: load or build its module{otherwise}",
            mount.name, mount.module
        )
    })
}

/// Whether this machine has a program where programs are looked for.
fn is_installed(program: &str) -> bool {
    let directories = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];
    let mut places = directories
        .iter()
        .map(|directory| Path::new(directory).join(program));
    places.any(|path| path.is_file())
}

/// Whether files here can have SELinux labels: that depends on the kernel's security modules and on the file system.
pub(crate) fn keeps_labels(directory: &Path) -> bool {
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
