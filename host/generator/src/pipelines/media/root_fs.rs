//! The packed root of a medium's system.
use crate::manifest::{Stage, pipeline_tree};
use osbuild_wasm_distro::{Arch, IsoConfig, RootFsType};
use serde_json::{Map, Value, json};

/// What a running medium does not need: the loader's files, which lie on the medium itself, and databases of packages.
const EXCLUDED: [&str; 11] = [
    "boot/efi/.*",
    "boot/grub2/.*",
    "boot/config-.*",
    "boot/initramfs-.*",
    "boot/loader/.*",
    "boot/symvers-.*",
    "boot/System.map-.*",
    "usr/lib/sysimage/rpm/.*",
    "var/lib/rpm/.*",
    "var/lib/yum/.*",
    "var/lib/dnf/.*",
];

/// The packed root: what of, where, and how.
#[derive(Clone, Debug)]
pub struct RootFs {
    /// Pipeline whose tree is packed.
    pub pipeline: String,
    /// File on the medium.
    pub filename: String,
    /// Architecture of its programs.
    pub arch: Arch,
    /// How it is packed.
    pub config: IsoConfig,
}

impl RootFs {
    /// Packages of the build root.
    pub fn build_packages(&self) -> Vec<String> {
        let tools = match self.kind() {
            RootFsType::Squashfs | RootFsType::SquashfsExt4 => "squashfs-tools",
            RootFsType::Erofs => "erofs-utils",
        };
        vec![tools.into()]
    }

    fn kind(&self) -> RootFsType {
        self.config.rootfs_type.unwrap_or_default()
    }

    /// The stage that packs it.
    pub fn stage(&self) -> Stage {
        let mut options = Map::new();
        options.insert("filename".into(), json!(self.filename));
        let excluded = match &self.config.rootfs_exclude {
            Some(patterns) => json!(patterns),
            None => json!(EXCLUDED),
        };
        options.insert("exclude_paths".into(), excluded);
        let name = match self.kind() {
            RootFsType::Squashfs | RootFsType::SquashfsExt4 => {
                options.insert("compression".into(), self.squashfs_compression());
                "squashfs"
            }
            RootFsType::Erofs => {
                let own = self.config.erofs.as_ref().and_then(Value::as_object);
                options.extend(own.cloned().unwrap_or_default());
                "erofs"
            }
        };
        Stage::new(name, options.into()).input("tree", pipeline_tree(&self.pipeline))
    }

    /// xz gets the filter for the machine code of the architecture, where it has one.
    fn squashfs_compression(&self) -> Value {
        let method = self.config.rootfs_compression.as_deref().unwrap_or("xz");
        if method != "xz" {
            return json!({"method": method});
        }
        let options = match self.arch {
            Arch::X86_64 => json!({"bcj": "x86"}),
            Arch::Aarch64 => json!({"bcj": "arm"}),
            Arch::Ppc64le => json!({"bcj": "powerpc"}),
            Arch::S390x | Arch::Riscv64 => json!({}),
        };
        json!({"method": method, "options": options})
    }
}
