//! Facts about a bootable container, found out before; names of keys are those of a request.
use osbuild_wasm_blueprint::model::Customizations;
use osbuild_wasm_distro::{MountConfiguration, PartitionTable};
use serde::{Deserialize, Deserializer, Serialize};

/// A bootable container.
#[derive(Clone, Debug, PartialEq, Default, Deserialize, Serialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ContainerInfo {
    /// Its reference.
    pub imgref: String,
    /// Digest of its configuration.
    #[serde(rename = "ImageID")]
    pub image_id: String,
    /// The system in it.
    #[serde(rename = "OSInfo", deserialize_with = "or_default")]
    pub os: OsInfo,
    /// Its architecture, as RPM names it.
    pub arch: String,
    /// File system that it wants for its root: `ext4`, `xfs`, `btrfs`.
    pub default_root_fs: String,
    /// Size of its content in bytes.
    pub size: u64,
    /// Whether its kernel is a unified kernel image.
    pub unified_kernel: bool,
    /// Bootloader that it wants installed; its own choice where nothing is said.
    pub bootloader: Option<String>,
}

/// The system in a bootable container.
#[derive(Clone, Debug, PartialEq, Default, Deserialize, Serialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct OsInfo {
    /// What it calls itself.
    #[serde(rename = "OSRelease", deserialize_with = "or_default")]
    pub release: OsRelease,
    /// Directory of the vendor below `/EFI`.
    #[serde(rename = "UEFIVendor")]
    pub uefi_vendor: String,
    /// SELinux policy; `targeted` where nothing is said.
    #[serde(rename = "SELinuxPolicy")]
    pub selinux_policy: String,
    /// Customizations that it brings, for requests that have none.
    pub image_customization: Option<Customizations>,
    /// Its kernel.
    pub kernel_info: Option<KernelInfo>,
    /// Modules of its initrd.
    #[serde(deserialize_with = "or_default")]
    pub initrd_modules: Vec<String>,
    /// What a medium made of it says.
    #[serde(rename = "ISOInfo", deserialize_with = "or_default")]
    pub iso: IsoInfo,
    /// How it wants its file systems mounted.
    pub mount_configuration: Option<MountConfiguration>,
    /// Partitions that it wants.
    pub partition_table: Option<PartitionTable>,
}

/// Values of `/usr/lib/os-release`.
#[derive(Clone, Debug, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct OsRelease {
    /// `PLATFORM_ID`
    #[serde(rename = "PlatformID")]
    pub platform_id: String,
    /// `ID`
    #[serde(rename = "ID")]
    pub id: String,
    /// `VERSION_ID`
    #[serde(rename = "VersionID")]
    pub version_id: String,
    /// `NAME`
    pub name: String,
    /// `VARIANT_ID`
    #[serde(rename = "VariantID")]
    pub variant_id: String,
    /// `ID_LIKE`
    #[serde(rename = "IDLike", deserialize_with = "or_default")]
    pub id_like: Vec<String>,
}

/// The kernel of a bootable container.
#[derive(Clone, Debug, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct KernelInfo {
    /// Its version, which is its directory's name below `/usr/lib/modules`.
    pub version: String,
    /// Whether there is an `aboot.img` beside it.
    pub has_aboot_img: bool,
}

/// What a medium made of a bootable container says.
#[derive(Clone, Debug, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct IsoInfo {
    /// Label of its file system.
    pub label: String,
    /// Further arguments of its kernel.
    #[serde(deserialize_with = "or_default")]
    pub kernel_args: Vec<String>,
    /// Its menu.
    #[serde(deserialize_with = "or_default")]
    pub grub2: IsoMenu,
}

/// Menu of a medium.
#[derive(Clone, Debug, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct IsoMenu {
    /// Number of the entry that is chosen.
    pub default: Option<i64>,
    /// Seconds until it is.
    pub timeout: Option<i64>,
    /// Entries; empty: the usual ones.
    #[serde(deserialize_with = "or_default")]
    pub entries: Vec<IsoMenuEntry>,
}

/// An entry of a medium's menu.
#[derive(Clone, Debug, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct IsoMenuEntry {
    /// What it is called.
    pub name: String,
    /// Kernel and its arguments.
    pub linux: String,
    /// Initrd.
    pub initrd: String,
}

/// Nothing where the document says `null`.
fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

impl ContainerInfo {
    /// Name of the distribution that it is: `bootc-ID-VERSION`.
    pub fn distro_name(&self) -> String {
        format!(
            "bootc-{}-{}",
            self.os.release.id, self.os.release.version_id
        )
    }

    /// SELinux policy.
    pub fn selinux_policy(&self) -> &str {
        match self.os.selinux_policy.as_str() {
            "" => "targeted",
            policy => policy,
        }
    }

    /// Names of the facts that an image cannot do without and that are not there, joined by commas; empty: none.
    pub fn missing(&self) -> String {
        let mut missing = Vec::new();
        let mut need = |name: &'static str, given: bool| {
            if !given {
                missing.push(name);
            }
        };
        need("Imgref", !self.imgref.is_empty());
        need("Arch", !self.arch.is_empty());
        // A table of the container's own names the file system of its root.
        let root = !self.default_root_fs.is_empty() || self.os.partition_table.is_some();
        need("DefaultRootFs", root);
        need("Size", self.size != 0);
        let os = self.os != OsInfo::default();
        need("OSInfo", os);
        need("OSInfo.OSRelease.ID", !os || !self.os.release.id.is_empty());
        let version = !self.os.release.version_id.is_empty();
        need("OSInfo.OSRelease.VersionID", !os || version);
        missing.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_read_where_most_of_them_are_null() {
        let text = r#"{"Imgref":"r","ImageID":"","OSInfo":{"OSRelease":{"PlatformID":"","ID":"os","VersionID":"1",
            "Name":"","VariantID":"","IDLike":null},"UEFIVendor":"v","SELinuxPolicy":"","ImageCustomization":null,
            "KernelInfo":null,"InitrdModules":null,"ISOInfo":{"Label":"","KernelArgs":null,"Grub2":{"Default":null,
            "Timeout":null,"Entries":null}},"MountConfiguration":null,"PartitionTable":null},"Arch":"x86_64",
            "DefaultRootFs":"ext4","Size":1,"UnifiedKernel":false,"Bootloader":null}"#;
        let info: ContainerInfo = serde_json::from_str(text).expect("facts");
        assert_eq!(info.distro_name(), "bootc-os-1");
        assert_eq!(info.missing(), "");
        assert_eq!(
            ContainerInfo::default().missing(),
            "Imgref, Arch, DefaultRootFs, Size, OSInfo"
        );
    }
}
