//! Tables of images as the reference stack makes them: the sizes and identifiers are from its manifests, where it has
//! such a request.
use super::TableRequest;
use crate::random::Random;
use osbuild_wasm_blueprint::model::Customizations;
use osbuild_wasm_distro::{Arch, BootMode, PartitionTable, PartitioningMode, Payload};
use serde_json::{Value, json};

mod made;
mod refused;

const GIB: u64 = 1 << 30;

/// An EFI system partition and a root, as most image types have them.
fn plain() -> Value {
    json!({"type": "gpt", "partitions": [
        {"size": 209_715_200, "type": "C12A7328-F81F-11D2-BA4B-00A0C93EC93B", "payload": {
            "payload_type": "filesystem", "type": "vfat", "mountpoint": "/boot/efi", "label": "ESP",
            "fstab_options": "umask=077", "fstab_passno": 2}},
        {"size": 2_147_483_648_u64, "type": "0FC63DAF-8483-4772-8E79-3D69D8477DE4", "payload": {
            "payload_type": "filesystem", "type": "xfs", "mountpoint": "/", "label": "root",
            "fstab_options": "defaults"}},
    ]})
}

/// One partition in a DOS label.
fn dos() -> Value {
    json!({"type": "dos", "partitions": [
        {"size": 2_147_483_648_u64, "bootable": true, "payload": {
            "payload_type": "filesystem", "type": "xfs", "mountpoint": "/", "fstab_options": "defaults"}},
    ]})
}

/// A root on a volume in a LUKS container.
fn encrypted() -> Value {
    json!({"type": "gpt", "uuid": "D209C89E-EA5E-4FBD-B161-B461CCE297E0", "partitions": [
        {"size": 133_169_152, "type": "C12A7328-F81F-11D2-BA4B-00A0C93EC93B", "payload": {
            "payload_type": "filesystem", "type": "vfat", "mountpoint": "/boot/efi"}},
        {"size": 402_653_184, "type": "BC13C2FF-59E6-4262-A352-B275FD6F7172", "payload": {
            "payload_type": "filesystem", "type": "xfs", "mountpoint": "/boot"}},
        {"size": 2_147_483_648_u64, "type": "0FC63DAF-8483-4772-8E79-3D69D8477DE4", "payload": {
            "payload_type": "luks", "passphrase": "osbuild", "clevis": {"pin": "null", "policy": "{}"},
            "payload": {"payload_type": "lvm", "name": "rootvg", "logical_volumes": [
                {"name": "rootlv", "size": 9_663_676_416_u64, "payload": {
                    "payload_type": "filesystem", "type": "xfs", "mountpoint": "/"}}]}}},
    ]})
}

/// What a test asks for beside the usual.
struct Case {
    base: Value,
    arch: Arch,
    boot_mode: BootMode,
    mode: PartitioningMode,
    default_fs: &'static str,
    size: u64,
    customizations: Value,
    /// Least sizes of directories.
    required: &'static [(&'static str, u64)],
}

impl Default for Case {
    fn default() -> Self {
        Self {
            base: plain(),
            arch: Arch::X86_64,
            boot_mode: BootMode::Hybrid,
            mode: PartitioningMode::AutoLvm,
            default_fs: "xfs",
            size: 0,
            customizations: json!({}),
            required: &[("/", GIB), ("/usr", 2 * GIB)],
        }
    }
}

impl Case {
    fn disk(disk: Value) -> Self {
        Self {
            customizations: json!({"disk": disk}),
            ..Self::default()
        }
    }

    fn file_systems(mode: PartitioningMode, wanted: &[(&str, u64)]) -> Self {
        let wanted: Vec<Value> = wanted
            .iter()
            .map(|(mountpoint, size)| json!({"mountpoint": mountpoint, "minsize": size}))
            .collect();
        Self {
            mode,
            customizations: json!({"filesystem": wanted}),
            ..Self::default()
        }
    }

    fn make(&self, seed: i64) -> Result<PartitionTable, String> {
        let base: PartitionTable = serde_json::from_value(self.base.clone()).expect("a table");
        let customizations: Customizations =
            serde_json::from_value(self.customizations.clone()).expect("customizations");
        let required = self
            .required
            .iter()
            .map(|(path, size)| ((*path).to_owned(), *size))
            .collect();
        TableRequest {
            base: &base,
            arch: self.arch,
            boot_mode: self.boot_mode,
            size: (self.size > 0).then_some(self.size),
            default_size: 10 * GIB,
            mode: self.mode,
            default_fs: self.default_fs,
            required_sizes: Some(&required),
        }
        .table(&customizations, &mut Random::new(seed))
        .map_err(|error| error.to_string())
    }

    fn table(&self) -> PartitionTable {
        self.make(0).expect("such a table can be made")
    }
}

/// Start and size in sectors, type up to its first dash, and content of every partition.
fn lines(table: &PartitionTable) -> Vec<String> {
    let partitions = table.partitions.iter().map(|partition| {
        let kind = partition.kind.split('-').next().unwrap_or_default();
        let content = partition.payload.as_ref().map_or("nothing".into(), content);
        let sector = table.sector();
        let (start, size) = (partition.start / sector, partition.size / sector);
        format!("{start}+{size} {kind} {content}")
    });
    partitions.collect()
}

fn content(payload: &Payload) -> String {
    match payload {
        Payload::FileSystem(it) => format!("{}@{}", it.kind, it.mountpoint),
        Payload::Swap(_) => "swap".into(),
        Payload::Raw { source_path } => source_path.clone(),
        Payload::Luks(luks) => {
            format!("luks({})", luks.payload.as_ref().map_or("".into(), content))
        }
        Payload::Lvm(group) => {
            let volumes = group.logical_volumes.iter().map(|volume| {
                let mib = volume.size >> 20;
                let content = volume.payload.as_ref().map_or("".into(), content);
                format!("{}:{mib}={content}", volume.name)
            });
            format!("{}({})", group.name, volumes.collect::<Vec<_>>().join(" "))
        }
        Payload::Btrfs(btrfs) => {
            let subvolumes = btrfs
                .subvolumes
                .iter()
                .map(|it| format!("{}:{}={}", it.name, it.size >> 20, it.mountpoint));
            format!("btrfs({})", subvolumes.collect::<Vec<_>>().join(" "))
        }
    }
}
