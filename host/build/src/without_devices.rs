//! What can be built where files stand for loop devices (`--devices=none`), decided before anything is.
use crate::file_systems::MAKERS;
use crate::mounts::is_made_from_directory;
use crate::sectors::{LARGE, PARTITIONERS, USUAL};
use crate::user_namespace::is_root_of_machine;
use osbuild_wasm_component::Module;
use osbuild_wasm_manifest::json::Value;
use osbuild_wasm_manifest::model::{Device, Mount, Stage};
use std::collections::BTreeSet;

/// How disks come to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Devices {
    /// By loop devices and mounts of the kernel.
    #[default]
    Loop,
    /// By programs that work on files: file systems are made from directories.
    None,
}

/// Where loop devices are asked for.
pub(crate) const LOOP_CONTROL: &str = "/dev/loop-control";
/// Where devices of the kernel's mapper are asked for.
pub(crate) const MAPPER_CONTROL: &str = "/dev/mapper/control";

impl Devices {
    /// Loop devices where this process can have them.
    pub fn of_machine() -> Self {
        match is_root_of_machine() && can_open(LOOP_CONTROL) {
            true => Self::Loop,
            false => Self::None,
        }
    }

    /// The word for it on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Loop => "loop",
            Self::None => "none",
        }
    }
}

/// Whether this process can have loop devices.
pub fn has_loop_devices() -> bool {
    Devices::of_machine() == Devices::Loop
}

/// Whether this process can have devices of the kernel's mapper.
pub fn has_device_mapper() -> bool {
    is_root_of_machine() && can_open(MAPPER_CONTROL)
}

/// Whether a node of the kernel is there and answers.
pub(crate) fn can_open(node: &str) -> bool {
    let mut options = std::fs::File::options();
    options.read(true).write(true).open(node).is_ok()
}

/// What stands for a device, for people; nothing for one that is refused.
pub(crate) fn device_by(device: &Device) -> String {
    match device.module.as_str() {
        "org.osbuild.loopback" => "a file".into(),
        _ => String::new(),
    }
}

/// What stands for a mounted file system, for people; nothing for one that is mounted anyhow or refused.
pub(crate) fn mount_by(mount: &Mount) -> String {
    match (maker(&mount.module), mount.module.as_str()) {
        (Some(maker), _) => format!("a directory, of which {maker} makes it anew"),
        (None, "org.osbuild.fat") => "a directory, copied by mtools".into(),
        _ => String::new(),
    }
}

/// The program that makes a file system from the directory that was mounted for it.
fn maker(module: &str) -> Option<&'static str> {
    Some(match module {
        "org.osbuild.ext4" => "mkfs.ext4",
        "org.osbuild.btrfs" => "mkfs.btrfs",
        "org.osbuild.xfs" => "mkfs.xfs",
        _ => return None,
    })
}

/// Programs that mounts of a stage take beside those that have made their file systems.
pub(crate) fn tools(stage: &Stage) -> impl Iterator<Item = &'static str> {
    let modules = stage.mounts.iter().map(|mount| mount.module.as_str());
    modules.filter_map(|module| match module {
        "org.osbuild.ext4" => Some("debugfs"),
        "org.osbuild.xfs" => Some("xfs_db"),
        "org.osbuild.fat" => Some("mcopy"),
        _ => None,
    })
}

/// Programs that do the same with a file as with a block device.
const WORK_ON_FILES: [&str; 5] = ["sfdisk", "sgdisk", "parted", "mkfs.fat", "mkfs.vfat"];

/// Programs that want more of a mount than files: a file system of some kind, or the device below it.
const WANT_FILE_SYSTEMS: [&str; 7] = [
    "btrfs",
    "ostree",
    "bootc",
    "bootctl",
    "bootupctl",
    "chroot",
    "zipl",
];

/// The file systems that the stages of one pipeline have made so far.
#[derive(Debug, Default)]
pub(crate) struct Made(BTreeSet<(PartOfFile, String)>);

/// A file, and first sector and number of sectors of the part; 0: up to the end.
type PartOfFile = (String, u64, u64);

impl Made {
    /// What the stage needs beyond files; otherwise it is taken as done.
    pub(crate) fn lacks(&mut self, stage: &Stage, module: &Module) -> Option<String> {
        let programs = &module.metadata.programs;
        let device = stage.devices.iter().find_map(|device| {
            let what = lacks_device(stage, device, programs)?;
            Some(format!(
                "device {} ({}) needs {what}",
                device.name, device.module
            ))
        });
        let mount = || {
            stage.mounts.iter().find_map(|mount| {
                let what = self.lacks_mount(stage, mount)?;
                Some(format!(
                    "mount {} ({}) needs {what}",
                    mount.name, mount.module
                ))
            })
        };
        let itself = || lacks_file_system(stage, programs).or_else(|| attaches(stage));
        let what = device.or_else(mount).or_else(itself);
        if what.is_none() {
            self.note(stage, programs);
        }
        what
    }

    fn note(&mut self, stage: &Stage, programs: &[String]) {
        for program in programs
            .iter()
            .filter(|program| MAKERS.contains(&program.as_str()))
        {
            for device in &stage.devices {
                self.0.insert((part(device), program.clone()));
            }
        }
    }

    fn lacks_mount(&self, stage: &Stage, mount: &Mount) -> Option<String> {
        if let Some(what) = lacks_table(stage, mount) {
            return Some(what);
        }
        let maker = match (maker(&mount.module), mount.module.as_str()) {
            (Some(maker), _) => maker,
            (None, "org.osbuild.noop" | "org.osbuild.bind" | "org.osbuild.ostree.deployment")
            | (None, "org.osbuild.fat") => return None,
            (None, module) => {
                return Some(format!(
                    "the kernel's file system: that of {module} cannot be made from a directory"
                ));
            }
        };
        if ["subvol", "compress"]
            .iter()
            .any(|name| mount.options.get(name).is_some())
        {
            return Some("subvolumes or compression, which mkfs.btrfs does not make".into());
        }
        let device = device_of(stage, mount)?;
        let (file, start, size) = part(device);
        let fits = |made: u64| made == 0 || size == 0 || made <= size;
        let is_there = |((of, at, made), by): &(PartOfFile, String)| {
            let place = is_partition(mount) || *at == start && fits(*made);
            by == maker && *of == file && place
        };
        (!self.0.iter().any(is_there)).then(|| {
            format!("a file system that {maker} has made in an earlier stage of the pipeline")
        })
    }
}

/// The device that a mount names.
fn device_of<'a>(stage: &'a Stage, mount: &Mount) -> Option<&'a Device> {
    let mut devices = stage.devices.iter();
    devices.find(|device| mount.source.as_deref() == Some(&device.name))
}

/// Whether a mount names a partition of its device; where that is, only the table says.
fn is_partition(mount: &Mount) -> bool {
    let number = mount.partition.as_ref();
    number.is_some_and(|number| number.as_f64() != 0.0)
}

/// What a mount of a partition needs of its device.
fn lacks_table(stage: &Stage, mount: &Mount) -> Option<String> {
    let device = device_of(stage, mount).filter(|_| is_partition(mount))?;
    let scanned = device.options.get("partscan").and_then(Value::as_bool);
    match (scanned, part(device).1) {
        (Some(true), 0) => None,
        (Some(true), _) => Some("a scan for partitions of a part of a file".into()),
        _ => Some(format!("option `partscan` of device {}", device.name)),
    }
}

/// Which part of which file a loop device shows.
fn part(device: &Device) -> PartOfFile {
    let option = |name: &str| device.options.get(name);
    let file = option("filename").and_then(Value::as_str);
    let file = file.unwrap_or_default().trim_start_matches('/');
    let number = |name| option(name).and_then(Value::as_f64).unwrap_or(0.0) as u64;
    (file.to_owned(), number("start"), number("size"))
}

fn lacks_device(stage: &Stage, device: &Device, programs: &[String]) -> Option<String> {
    if device.module != "org.osbuild.loopback" {
        return Some(crate::devices::MAPPER.into());
    }
    let option = |name: &str| device.options.get(name);
    let sector = option("sector-size").and_then(Value::as_f64);
    let sector = sector.unwrap_or(USUAL.into());
    if ![USUAL, LARGE].map(f64::from).contains(&sector) {
        return Some("sectors of another size than 512 or 4096 bytes".into());
    }
    if sector != f64::from(USUAL) && !has_table_of_numbers(stage) {
        return Some(
            "a first sector and a size for each partition of a disk with such sectors".into(),
        );
    }
    if is_mounted(stage, device) {
        return None;
    }
    let of_file = |program: &str| WORK_ON_FILES.contains(&program) || MAKERS.contains(&program);
    let program = programs.iter().find(|program| !of_file(program))?;
    Some(format!("a block device for {program}"))
}

/// Whether a stage leaves nothing of a partition table to its program, which counts in sectors of 512 bytes.
fn has_table_of_numbers(stage: &Stage) -> bool {
    let partitions = stage.options.get("partitions").and_then(Value::as_array);
    let is_given = |partition: &Value, name: &str| {
        let number = partition.get(name).and_then(Value::as_f64);
        number.is_some_and(|number| number > 0.0)
    };
    let has_numbers = |partition: &Value| {
        ["start", "size"]
            .iter()
            .all(|name| is_given(partition, name))
    };
    !PARTITIONERS.contains(&stage.module.as_str())
        || partitions.is_none_or(|partitions| partitions.iter().all(has_numbers))
}

/// What a module needs that attaches devices itself: coreos-installer mounts the partitions of disk images, and zipl works on the disk
/// while its file systems are mounted.
fn attaches(stage: &Stage) -> Option<String> {
    if stage.module == "org.osbuild.coreos.live-artifacts.mono" {
        return Some("it needs block devices for coreos-installer".into());
    }
    let loader = stage.options.get("bootloader")?.get("type")?.as_str()?;
    let needs = stage.module == "org.osbuild.qemu" && loader == "zipl";
    needs.then(|| "it needs a block device for zipl".into())
}

/// Whether the device is there to be mounted.
pub(crate) fn is_mounted(stage: &Stage, device: &Device) -> bool {
    stage
        .mounts
        .iter()
        .any(|mount| mount.source.as_deref() == Some(&device.name))
}

fn lacks_file_system(stage: &Stage, programs: &[String]) -> Option<String> {
    let staged = |mount: &Mount| is_made_from_directory(&mount.module);
    if !stage.mounts.iter().any(staged) {
        return None;
    }
    if stage.module == "org.osbuild.chattr" {
        return Some("it needs inode flags of a mounted file system".into());
    }
    let program = programs
        .iter()
        .find(|program| WANT_FILE_SYSTEMS.contains(&program.as_str()))?;
    Some(format!("it needs a mounted file system for {program}"))
}

/// Whether a build can begin behind this stage: not where a later one mounts what an earlier one has filled, for the directory that
/// stood for it is gone.
pub(crate) fn can_begin_behind(stages: &[Stage], position: usize) -> bool {
    let mut later = stages
        .iter()
        .skip(position + 1)
        .flat_map(|stage| &stage.mounts);
    !later.any(|mount| is_made_from_directory(&mount.module))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::devices::tests::device;
    use serde_json::json;

    fn loopback(options: serde_json::Value) -> Device {
        device("org.osbuild.loopback", None, options)
    }

    #[test]
    fn a_part_is_a_file_and_its_sectors() {
        let of = |options| part(&loopback(options));
        let options = json!({"filename": "/disk.img", "start": 2048.0, "size": 8});
        assert_eq!(of(options), ("disk.img".into(), 2048, 8));
        let whole = json!({"filename": "disk.img"});
        assert_eq!(of(whole), ("disk.img".into(), 0, 0));
    }
}
