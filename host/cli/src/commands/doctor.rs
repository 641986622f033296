//! `osbuild-wasm doctor`.
use super::privileges::privileges;
use crate::command_error::{Exit, Result};
use crate::commands::Command;
use crate::print::{say, say_json, table_text};
use crate::style::Style;
use caps::{CapSet, Capability};
use clap::Args;
use comfy_table::{Table, presets};
use osbuild_wasm_build::{SubordinateIds, has_device_mapper, has_loop_devices, helper_program};
use osbuild_wasm_component::Cache;
use osbuild_wasm_packages::package_of;
use rustix::fs::{Access, access};
use std::path::{Path, PathBuf};

/// Tell what this machine has and which parts of a manifest need it
#[derive(Debug, Args)]
pub(crate) struct DoctorArguments {
    /// Print as JSON
    #[arg(long)]
    json: bool,

    /// Start a small run instead, and tell what each of its processes may do to this machine
    #[arg(long)]
    privileges: bool,
}

/// One thing that some manifests need.
struct Check {
    group: &'static str,
    what: String,
    found: bool,
    detail: String,
    needed_by: &'static str,
    /// Without it hardly any manifest with programs or devices builds.
    essential: bool,
}

/// Programs looked for on the host, and what needs them. A manifest with a build pipeline
/// takes them from its build root.
const TOOLS: [(&str, &str); 24] = [
    ("sfdisk", "org.osbuild.sfdisk, assembler org.osbuild.qemu"),
    ("partx", "device org.osbuild.loopback with partscan"),
    (
        "mkfs.ext4",
        "org.osbuild.mkfs.ext4, assemblers rawfs and qemu",
    ),
    (
        "mkfs.xfs",
        "org.osbuild.mkfs.xfs, assemblers rawfs and qemu",
    ),
    (
        "mkfs.btrfs",
        "org.osbuild.mkfs.btrfs, assemblers rawfs and qemu",
    ),
    ("mkfs.fat", "org.osbuild.mkfs.fat, assembler qemu with vfat"),
    ("rpm", "org.osbuild.rpm"),
    ("rpmkeys", "org.osbuild.rpm with keys"),
    ("dnf", "org.osbuild.dnf"),
    ("grub-mkimage", "org.osbuild.grub2.inst, assembler qemu"),
    ("qemu-img", "org.osbuild.qemu, assembler qemu"),
    ("ldconfig", "runners"),
    ("systemd-sysusers", "runners of Fedora, RHEL and Debian"),
    ("xz", "assembler org.osbuild.qemu with format raw.xz"),
    (
        "mcopy",
        "mount org.osbuild.fat where the kernel has no vfat",
    ),
    ("cryptsetup", "device org.osbuild.luks2"),
    ("lvchange", "device org.osbuild.lvm2.lv"),
    ("pvdisplay", "device org.osbuild.lvm2.lv"),
    ("systemd-dissect", "mount org.osbuild.ddi"),
    (
        "ostree",
        "sources and inputs org.osbuild.ostree, org.osbuild.ostree.* stages",
    ),
    (
        "skopeo",
        "sources org.osbuild.skopeo, skopeo-index, containers-storage",
    ),
    ("sgdisk", "org.osbuild.sgdisk"),
    (osbuild_wasm_build::EMULATOR, "run --in-vm"),
    ("modprobe", "run --in-vm"),
];

/// File systems that stages mount.
const FILE_SYSTEMS: [(&str, &str); 6] = [
    ("ext4", "mount org.osbuild.ext4"),
    ("xfs", "mount org.osbuild.xfs"),
    ("btrfs", "mount org.osbuild.btrfs"),
    ("vfat", "mount org.osbuild.fat"),
    ("squashfs", "mount org.osbuild.squashfs"),
    ("erofs", "mount org.osbuild.erofs"),
];

/// Rights that helpers use, and what for.
const RIGHTS: [(Capability, &str); 6] = [
    (
        Capability::CAP_SYS_ADMIN,
        "devices, mounts, private mount namespace, programs of the build root",
    ),
    (Capability::CAP_CHOWN, "files of other owners in the tree"),
    (
        Capability::CAP_MKNOD,
        "device nodes in the tree, packages that carry some",
    ),
    (
        Capability::CAP_SETFCAP,
        "file capabilities (packages like iputils)",
    ),
    (
        Capability::CAP_LINUX_IMMUTABLE,
        "org.osbuild.chattr, ostree deployments",
    ),
    (
        Capability::CAP_MAC_ADMIN,
        "SELinux labels that the host's policy does not know",
    ),
];

impl Command for DoctorArguments {
    fn style(&self) -> Style {
        Style::own(self.json)
    }

    fn run(self) -> Result {
        if self.privileges {
            return privileges(self.json);
        }
        let checks: Vec<_> = programs()
            .chain(rights())
            .chain(subordinate_ids())
            .chain(kernel())
            .chain(TOOLS.map(tool))
            .collect();
        if self.json {
            print_json(&checks);
        } else {
            print_table(&checks);
        }
        Ok(
            if checks.iter().all(|check| check.found || !check.essential) {
                Exit::Done
            } else {
                Exit::Failed
            },
        )
    }
}

fn print_json(checks: &[Check]) {
    let json = |check: &Check| {
        serde_json::json!({
            "group": check.group, "what": check.what, "found": check.found, "detail": check.detail,
            "needed_by": check.needed_by, "essential": check.essential,
        })
    };
    say_json(&serde_json::Value::from(checks.iter().map(json).collect::<Vec<_>>()).to_string());
}

fn print_table(checks: &[Check]) {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_header(["", "what", "here", "needed by"]);
    for check in checks {
        let mark = if check.found { "ok" } else { "--" };
        table.add_row([
            mark,
            &format!("{} {}", check.group, check.what),
            &check.detail,
            check.needed_by,
        ]);
    }
    say(&table_text(&table));
    let missing: Vec<_> = checks
        .iter()
        .filter(|check| !check.found && check.essential)
        .map(|check| check.what.as_str())
        .collect();
    if missing.is_empty() {
        outln!(
            "\nThis machine builds images; what is marked -- is needed only by the parts named beside it."
        );
    } else {
        outln!(
            "\nMissing for almost every manifest: {}. Trees can still be edited by stages that run no program.",
            missing.join(", ")
        );
    }
}

fn programs() -> impl Iterator<Item = Check> {
    let helper = helper_program();
    let cache = Cache::default_directory();
    [
        Check {
            group: "program",
            what: "osbuild-wasm-helper".into(),
            found: helper.is_file(),
            detail: helper.display().to_string(),
            needed_by: "devices, mounts, programs",
            essential: true,
        },
        Check {
            group: "cache",
            what: "of compiled components".into(),
            found: Cache::open(&cache).is_ok(),
            detail: cache.display().to_string(),
            needed_by: "a fast start: without it components are compiled at each run",
            essential: false,
        },
    ]
    .into_iter()
}

fn rights() -> impl Iterator<Item = Check> {
    RIGHTS.into_iter().map(|(capability, needed_by)| {
        let found = caps::has_cap(None, CapSet::Permitted, capability).unwrap_or(false);
        let of_machine = matches!(
            capability,
            Capability::CAP_MKNOD | Capability::CAP_LINUX_IMMUTABLE
        );
        let detail = match (found, of_machine) {
            (true, _) => "held",
            (false, true) => "not held: only root of the machine has it",
            (false, false) => "not held: an ordinary user has it in the user namespace of a build",
        };
        let essential = is_root() && capability == Capability::CAP_SYS_ADMIN;
        Check {
            group: "right",
            what: capability.to_string(),
            found,
            detail: detail.into(),
            needed_by,
            essential,
        }
    })
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// What an ordinary user's builds cannot do without.
fn subordinate_ids() -> impl Iterator<Item = Check> {
    let ids = SubordinateIds::of_user();
    let check = |error: Option<String>| Check {
        group: "user",
        what: "subordinate ids".into(),
        found: error.is_none(),
        detail: error.unwrap_or_else(|| "of /etc/subuid and /etc/subgid".into()),
        needed_by: "every build of an ordinary user",
        essential: true,
    };
    (!is_root())
        .then(|| check(ids.err().map(|error| error.to_string())))
        .into_iter()
}

fn kernel() -> impl Iterator<Item = Check> {
    let known = std::fs::read_to_string("/proc/filesystems").unwrap_or_default();
    let known = |name: &str| {
        known
            .lines()
            .any(|line| line.split_whitespace().last() == Some(name))
    };
    let feature = |what: &str, found: bool, needed_by: &'static str, essential: bool| Check {
        group: "kernel",
        what: what.to_owned(),
        found,
        detail: if found { "there" } else { "not in this kernel" }.to_owned(),
        needed_by,
        essential,
    };
    let mut checks = vec![
        feature(
            "loop devices",
            has_loop_devices(),
            "device org.osbuild.loopback, assemblers rawfs and qemu",
            is_root(),
        ),
        feature(
            "device mapper",
            has_device_mapper(),
            "devices org.osbuild.luks2 and org.osbuild.lvm2.lv",
            false,
        ),
        feature(
            "user namespaces",
            user_namespaces(),
            "every stage that runs a program: rpm, dracut, sfdisk, mkfs.*, grub2.inst, qemu",
            true,
        ),
    ];
    checks
        .extend(FILE_SYSTEMS.map(|(name, needed_by)| feature(name, known(name), needed_by, false)));
    // Nodes that are there may still not be for this user.
    for (what, detail) in [
        (
            "loop devices",
            "only root of the machine can use them: disks are made of files instead",
        ),
        (
            "device mapper",
            "only root of the machine can use it: `run --in-vm` builds in a virtual machine",
        ),
    ] {
        let mut missing = checks.iter_mut().filter(|check| !check.found && !is_root());
        if let Some(check) = missing.find(|check| check.what == what) {
            check.detail = detail.into();
        }
    }
    if let Some(vfat) = checks
        .iter_mut()
        .find(|check| check.what == "vfat" && !check.found)
    {
        vfat.detail = "not in this kernel: done with mtools instead".into();
    }
    checks.into_iter()
}

/// Whether the kernel has them and the machine allows any.
fn user_namespaces() -> bool {
    let allowed = std::fs::read_to_string("/proc/sys/user/max_user_namespaces");
    let none = allowed.is_ok_and(|allowed| allowed.trim() == "0");
    Path::new("/proc/self/ns/user").exists() && !none
}

fn tool((name, needed_by): (&str, &'static str)) -> Check {
    let path = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"]
        .iter()
        .map(|directory| PathBuf::from(directory).join(name));
    let path = path
        .into_iter()
        .find(|path| access(path, Access::EXEC_OK).is_ok());
    Check {
        group: "tool",
        what: name.to_owned(),
        found: path.is_some(),
        detail: path.map_or_else(|| install(name), |path| path.display().to_string()),
        needed_by,
        essential: false,
    }
}

/// What to do about a program that is not there.
fn install(name: &str) -> String {
    match package_of(name) {
        Some(package) => format!("install {package}"),
        None => "not found".to_owned(),
    }
}
