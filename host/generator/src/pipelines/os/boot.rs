//! What makes the system start: file systems, bootloader, initrd.
use super::{Os, Writer};
use crate::content::Package;
use crate::customizations::nodes::bytes_file_stage;
use crate::manifest::Stage;
use crate::{GeneratorError, disk};
use osbuild_wasm_distro::{Arch, Bootloader, PartitionTable};
use serde_json::{Map, Value, json};

/// Name of a machine in entries of the bootloader before the machine has one.
const UNKNOWN_MACHINE: &str = "ffffffffffffffffffffffffffffffff";

/// Identifier of the entry of the bootloader on systems without BLS.
const LEGACY_ENTRY: &str = "76a22bf4-f153-4541-b6c7-0332c0dfaeac";

/// Entries that kernels brought say where they lie as firmware sees it.
pub(super) fn fix_bls(writer: &mut Writer<'_, '_>) {
    let os = writer.os;
    let bootloader = os.request.image_type.platform.bootloader;
    if os.config().no_bls == Some(true) || bootloader == Bootloader::Uki {
        return;
    }
    let options = match &os.table {
        _ if bootloader == Bootloader::SystemdBoot => json!({"require_boot_prefix": false}),
        Some(table) if disk::has_own_partition(table, "/boot") => json!({"prefix": ""}),
        _ => json!({}),
    };
    writer.push(Stage::new("fix-bls", options));
}

/// Initrd, file systems, bootloader.
pub(super) fn write(writer: &mut Writer<'_, '_>) -> Result<(), GeneratorError> {
    let os = writer.os;
    if os.is_fips() && os.kernel_name().is_some() && !os.is_ostree() && os.table.is_some() {
        let kernel = kernel(writer)?.evra();
        writer.push(Stage::new(
            "dracut",
            json!({"kernel": [kernel], "add_modules": ["fips"]}),
        ));
    }
    writer.configured(&["dracut"]);
    let Some(table) = &os.table else {
        return Ok(());
    };
    writer
        .stages
        .extend(disk::mount_stages(table, os.mount_configuration()));
    let platform = &os.request.image_type.platform;
    match platform.bootloader {
        _ if platform.zipl => writer.push(Stage::new("zipl", json!({}))),
        Bootloader::Grub2 if os.config().no_bls == Some(true) => legacy_grub(writer, table)?,
        Bootloader::Grub2 => grub(writer, table)?,
        Bootloader::Uki => unified_kernel(writer)?,
        Bootloader::SystemdBoot | Bootloader::None => {}
    }
    Ok(())
}

/// The kernel among the resolved packages.
fn kernel<'a>(writer: &'a Writer<'_, '_>) -> Result<&'a Package, GeneratorError> {
    let name = writer.os.kernel_name().unwrap_or_default();
    writer
        .resolved
        .packages
        .package(name)
        .ok_or_else(|| GeneratorError::Unresolved {
            pipeline: "os".into(),
            missing: format!("the kernel {name}"),
        })
}

/// UUID of the file system of root.
///
/// # Errors
/// Nothing is mounted there.
pub fn root_uuid(table: &PartitionTable) -> Result<&str, GeneratorError> {
    let root = disk::mount(table, "/").map(|mount| mount.uuid);
    root.ok_or_else(|| GeneratorError::PartitionTable("nothing is mounted at /".into()))
}

/// UUID of the file system of `/boot`, where it has a partition of its own.
fn boot_uuid(table: &PartitionTable) -> Option<&str> {
    disk::has_own_partition(table, "/boot")
        .then(|| disk::mount(table, "/boot").map(|mount| mount.uuid))?
}

fn grub(writer: &mut Writer<'_, '_>, table: &PartitionTable) -> Result<(), GeneratorError> {
    let os = writer.os;
    let (config, platform) = (os.config(), &os.request.image_type.platform);
    let mut options = Map::new();
    options.insert("compat_version".into(), 2.into());
    options.insert("root_fs_uuid".into(), json!(root_uuid(table)?));
    if let Some(uuid) = boot_uuid(table) {
        options.insert("boot_fs_uuid".into(), json!(uuid));
    }
    let arguments = os.kernel_options().join(" ");
    if !arguments.is_empty() {
        options.insert("kernel_opts".into(), arguments.into());
    }
    if !platform.bios_platform.is_empty() {
        options.insert("legacy".into(), json!(platform.bios_platform));
    }
    if !platform.uefi_vendor.is_empty() {
        let mut uefi = json!({"vendor": platform.uefi_vendor});
        // One configuration for all firmware came with kernels whose arguments are not in it.
        if config.kernel_options_bootloader != Some(true) {
            uefi["unified"] = true.into();
        }
        options.insert("uefi".into(), uefi);
    }
    let entry = format!("{UNKNOWN_MACHINE}-{}", kernel(writer)?.evra());
    options.insert("saved_entry".into(), json!(entry));
    if os.has_kernel_cmdline() {
        options.insert("write_cmdline".into(), false.into());
    }
    let mut written = json!({"default": "saved"});
    for (key, value) in config
        .grub2_config
        .iter()
        .filter_map(Value::as_object)
        .flatten()
    {
        written[key.as_str()] = value.clone();
    }
    options.insert("config".into(), written);
    writer.push(Stage::new("grub2", options.into()));
    Ok(())
}

fn legacy_grub(writer: &mut Writer<'_, '_>, table: &PartitionTable) -> Result<(), GeneratorError> {
    let os = writer.os;
    let (distro, platform) = (os.request.distro, &os.request.image_type.platform);
    let mut config = json!({"cmdline": os.kernel_options().join(" ")});
    for (key, value) in os
        .config()
        .grub2_config
        .iter()
        .filter_map(Value::as_object)
        .flatten()
    {
        config[key.as_str()] = value.clone();
    }
    let product =
        json!({"name": distro.product, "version": distro.os_version, "nick": distro.codename});
    let entry = json!({"default": true, "id": LEGACY_ENTRY, "product": product, "kernel": kernel(writer)?.evra()});
    let mut options =
        json!({"rootfs": {"uuid": root_uuid(table)?}, "entries": [entry], "config": config});
    if let Some(uuid) = boot_uuid(table) {
        options["bootfs"] = json!({"uuid": uuid});
    }
    if !platform.bios_platform.is_empty() {
        options["bios"] = json!({"platform": platform.bios_platform});
    }
    if !platform.uefi_vendor.is_empty() {
        options["uefi"] = json!({"vendor": platform.uefi_vendor});
    }
    writer.push(Stage::new("grub2.legacy", options));
    Ok(())
}

/// Firmware finds a unified kernel image by the table that shim reads.
fn unified_kernel(writer: &mut Writer<'_, '_>) -> Result<(), GeneratorError> {
    let vendor = writer.os.request.image_type.platform.uefi_vendor.clone();
    let image = format!("{UNKNOWN_MACHINE}-{}.efi", kernel(writer)?.evra());
    let arch = efi_arch(writer.os);
    let line = format!(
        "shim{}.efi,{vendor},\\EFI\\Linux\\{image} ,UKI bootentry\n",
        arch.to_lowercase()
    );
    let table: Vec<u8> = line.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let table_path = format!("/boot/efi/EFI/{vendor}/BOOT{}.CSV", arch.to_uppercase());
    let copy = bytes_file_stage(&table_path, &table, writer.sources);
    writer.push(copy);
    let path = format!("/boot/efi/EFI/Linux/{image}");
    writer.push(Stage::new(
        "hmac",
        json!({"paths": [path], "algorithm": "sha512"}),
    ));
    let addons = json!({"path": format!("{path}.extra.d"), "parents": true, "exist_ok": true});
    writer.push(Stage::new("mkdir", json!({"paths": [addons]})));
    Ok(())
}

/// Name of an architecture in names of EFI programs.
fn efi_arch(os: &Os<'_>) -> &'static str {
    match os.request.arch {
        Arch::X86_64 => "x64",
        Arch::Aarch64 => "aa64",
        Arch::Riscv64 => "riscv64",
        Arch::Ppc64le => "ppc64le",
        Arch::S390x => "s390x",
    }
}
