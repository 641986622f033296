//! What a system mounts: from the table to fstab, mount units, options of the kernel and the tools it needs.
use super::tree::{partition_of, payloads};
use crate::manifest::Stage;
use osbuild_wasm_distro::{MountConfiguration, PartitionTable, Payload, Swap};
use serde_json::{Map, Value, json};

/// A file system or subvolume that is mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount<'a> {
    /// Where.
    pub target: &'a str,
    /// Kind of the file system, as the kernel names it.
    pub kind: &'a str,
    /// UUID, or volume id of FAT.
    pub uuid: &'a str,
    /// Label of the file system; empty: none.
    pub label: &'a str,
    /// Options of the mount, joined by commas.
    pub options: String,
    /// Fifth field of fstab.
    pub freq: u64,
    /// Sixth field of fstab.
    pub passno: u64,
    /// Name and compression of the subvolume, if it is one.
    pub subvolume: Option<(&'a str, &'a str)>,
}

/// Everything that is mounted, in the order of the table.
pub fn mounts(table: &PartitionTable) -> Vec<Mount<'_>> {
    payloads(table).into_iter().flat_map(mounts_of).collect()
}

/// What is mounted of this payload itself, not of what is in it.
pub(super) fn mounts_of(payload: &Payload) -> Vec<Mount<'_>> {
    match payload {
        Payload::FileSystem(file_system) if !file_system.mountpoint.is_empty() => vec![Mount {
            target: &file_system.mountpoint,
            kind: &file_system.kind,
            uuid: &file_system.uuid,
            label: &file_system.label,
            options: file_system.fstab_options.clone(),
            freq: file_system.fstab_freq,
            passno: file_system.fstab_passno,
            subvolume: None,
        }],
        Payload::Btrfs(btrfs) => btrfs
            .subvolumes
            .iter()
            .map(|subvolume| {
                let mut options = format!("subvol={}", subvolume.name);
                if !subvolume.compress.is_empty() {
                    options += &format!(",compress={}", subvolume.compress);
                }
                if subvolume.read_only {
                    options += ",ro";
                }
                Mount {
                    target: &subvolume.mountpoint,
                    kind: "btrfs",
                    uuid: &subvolume.uuid,
                    label: &btrfs.label,
                    options,
                    freq: 0,
                    passno: 0,
                    subvolume: Some((&subvolume.name, &subvolume.compress)),
                }
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// What is mounted there.
pub fn mount<'a>(table: &'a PartitionTable, target: &str) -> Option<Mount<'a>> {
    mounts(table)
        .into_iter()
        .find(|mount| mount.target == target)
}

/// Swap spaces, in the order of the table.
pub fn swaps(table: &PartitionTable) -> impl Iterator<Item = &Swap> {
    payloads(table)
        .into_iter()
        .filter_map(|payload| match payload {
            Payload::Swap(swap) => Some(swap),
            _ => None,
        })
}

/// Whether a partition holds nothing but the file system mounted there.
pub fn has_own_partition(table: &PartitionTable, mountpoint: &str) -> bool {
    partition_of(table, mountpoint).is_some_and(|index| {
        matches!(
            table.partitions[index].payload,
            Some(Payload::FileSystem(_))
        )
    })
}

/// The stage that writes `/etc/fstab`; none where nothing is mounted.
pub fn fstab_stage(table: &PartitionTable) -> Option<Stage> {
    let file_systems = mounts(table).into_iter().map(|mount| {
        let entry = entry(mount.uuid, mount.kind, mount.target, &mount.options);
        (mount.target, mount.freq, mount.passno, entry)
    });
    let swaps = swaps(table).map(|swap| {
        let entry = entry(&swap.uuid, "swap", "none", &swap.fstab_options);
        ("none", 0, 0, entry)
    });
    let mut entries: Vec<_> = file_systems.chain(swaps).collect();
    if entries.is_empty() {
        return None;
    }
    entries.sort_by_key(|(path, _, passno, _)| format!("{passno}{path}"));
    let entries = entries.into_iter().map(|(_, freq, passno, mut entry)| {
        for (key, value) in [("freq", freq), ("passno", passno)] {
            if value != 0 {
                entry.insert(key.into(), value.into());
            }
        }
        Value::Object(entry)
    });
    Some(Stage::new(
        "fstab",
        json!({"filesystems": entries.collect::<Vec<_>>()}),
    ))
}

fn entry(uuid: &str, kind: &str, path: &str, options: &str) -> Map<String, Value> {
    let fields = [
        ("uuid", uuid),
        ("vfs_type", kind),
        ("path", path),
        ("options", options),
    ];
    fields
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(key, value)| (key.into(), value.into()))
        .collect()
}

/// The stages that write a mount unit per file system and enable them; none where nothing is mounted.
pub fn mount_unit_stages(table: &PartitionTable) -> Vec<Stage> {
    let mut units: Vec<(String, Value)> = mounts(table)
        .into_iter()
        .map(|mount| {
            let section = json!({
                "What": by_uuid(mount.uuid),
                "Where": literal(mount.target),
                "Type": mount.kind,
                "Options": literal(&mount.options),
            });
            (mount_unit(mount.target), unit("Mount", section))
        })
        .chain(swaps(table).map(|swap| {
            let what = by_uuid(&swap.uuid);
            let name = format!("{}.swap", escape_unit(&what));
            let section = json!({"What": what, "Options": swap.fstab_options});
            (name, unit("Swap", section))
        }))
        .collect();
    if units.is_empty() {
        return Vec::new();
    }
    units.sort_by(|(one, _), (other, _)| one.cmp(other));
    let names: Vec<String> = units.iter().map(|(name, _)| name.clone()).collect();
    units
        .into_iter()
        .map(|(name, config)| {
            Stage::new(
                "systemd.unit.create",
                json!({"filename": name, "unit-path": "etc", "config": config}),
            )
        })
        .chain([Stage::new("systemd", json!({"enabled_services": names}))])
        .collect()
}

fn unit(section: &str, values: Value) -> Value {
    json!({
        "Unit": {"DefaultDependencies": true},
        section: values,
        "Install": {"WantedBy": ["multi-user.target"]},
    })
}

/// A text in which systemd sees no specifier.
fn literal(text: &str) -> String {
    text.replace('%', "%%")
}

fn by_uuid(uuid: &str) -> String {
    format!("/dev/disk/by-uuid/{uuid}")
}

/// The stages by which a system finds its file systems.
pub fn mount_stages(table: &PartitionTable, configuration: MountConfiguration) -> Vec<Stage> {
    match configuration {
        MountConfiguration::Fstab => fstab_stage(table).into_iter().collect(),
        MountConfiguration::Units => mount_unit_stages(table),
        MountConfiguration::None => Vec::new(),
    }
}

/// Name of the unit that mounts something there.
pub fn mount_unit(target: &str) -> String {
    format!("{}.mount", escape_unit(target))
}

/// A path as a name of a device or mount in stages: without outer slashes, the others as `-`.
pub(super) fn escape(path: &str) -> String {
    let inner = path.trim_matches('/');
    if inner.is_empty() {
        return "-".into();
    }
    inner
        .replace('\\', "\\x5c")
        .replace('-', "\\x2d")
        .replace('/', "-")
}

/// A path as the name of a unit, which systemd compares with what the unit says: as [`escape`], but of more characters.
/// <https://www.freedesktop.org/software/systemd/man/systemd.unit.html>
fn escape_unit(path: &str) -> String {
    let inner = path.trim_matches('/');
    if inner.is_empty() {
        return "-".into();
    }
    let escaped = inner.bytes().enumerate().map(|(at, byte)| match byte {
        b'/' => "-".into(),
        b'.' if at == 0 => "\\x2e".into(),
        b':' | b'_' | b'.' => char::from(byte).to_string(),
        byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        byte => format!("\\x{byte:02x}"),
    });
    escaped.collect()
}

/// Options of the kernel that the table asks for, before those of the image type.
pub fn kernel_options(table: &PartitionTable, configuration: MountConfiguration) -> Vec<String> {
    let mut options: Vec<String> = payloads(table)
        .into_iter()
        .filter_map(|payload| match payload {
            Payload::Luks(luks) => Some(format!("luks.uuid={}", luks.uuid)),
            _ => None,
        })
        .collect();
    let root = mount(table, "/");
    if let Some((name, _)) = root.as_ref().and_then(|root| root.subvolume) {
        options.push(format!("rootflags=subvol={name}"));
    }
    if configuration != MountConfiguration::Units {
        return options;
    }
    // What the initrd mounts it cannot read in units of the system that it has yet to mount.
    if let Some(usr) = mount(table, "/usr") {
        options.push(format!("mount.usr=UUID={}", usr.uuid));
        options.push(format!("mount.usrfstype={}", usr.kind));
        options.push(format!("mount.usrflags={}", usr.options));
    }
    if let Some(root) = root.filter(|root| {
        root.subvolume.is_none() && !root.options.is_empty() && root.options != "defaults"
    }) {
        options.push(format!("rootflags={}", root.options));
    }
    options
}

/// Packages with tools for what is in tables, in the order in which they are asked for.
const TOOLS: [&str; 8] = [
    "lvm2",
    "btrfs-progs",
    "xfsprogs",
    "dosfstools",
    "e2fsprogs",
    "clevis",
    "clevis-luks",
    "cryptsetup",
];

/// Packages with the tools for what is in the table: those of the build root and those of the system.
pub fn tool_packages(table: &PartitionTable) -> Vec<&'static str> {
    let needed: Vec<&str> = payloads(table)
        .into_iter()
        .flat_map(tools)
        .copied()
        .collect();
    TOOLS
        .into_iter()
        .filter(|tool| needed.contains(tool))
        .collect()
}

fn tools(payload: &Payload) -> &'static [&'static str] {
    match payload {
        Payload::Lvm(_) => &["lvm2"],
        Payload::Btrfs(_) => &["btrfs-progs"],
        Payload::Luks(luks) if luks.clevis.is_none() => &["cryptsetup"],
        Payload::Luks(_) => &["clevis", "clevis-luks", "cryptsetup"],
        Payload::FileSystem(file_system) => match file_system.kind.as_str() {
            "xfs" => &["xfsprogs"],
            "vfat" => &["dosfstools"],
            "ext4" => &["e2fsprogs"],
            _ => &[],
        },
        Payload::Swap(_) | Payload::Raw { .. } => &[],
    }
}
