//! Build a boot stream for BlueField cards.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Command, CopyOptions, Result, Tree};
use osbuild_stage_common::efi;
use osbuild_stage_common::temporary::Temporary;
use serde::Deserialize;
use std::process::ExitCode;

const KERNEL_ARGUMENTS: &str = "console=hvc0 console=ttyAMA0 earlycon=pl011,0x13010000";
const CAPSULE: &str = "/lib/firmware/mellanox/boot/capsule/boot_update2.cap";
const BOOT_PATH: &str = "VenHw(F019E406-8C9C-11E5-8797-001ACA00BFC4)/EFI/BOOT/BOOTAA64.EFI";
const BOOT_DESCRIPTION: &str = "Linux via EFI+GRUB";
const FIRMWARE: &str = "/lib/firmware/mellanox/boot/default.bfb";

#[derive(Deserialize)]
struct Options {
    filename: String,
    kernel_args: Option<Vec<String>>,
    capsule: Option<String>,
    boot_path: Option<String>,
    boot_desc: Option<String>,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| -> Result<()> {
        let (tree, options) = (&arguments.tree, &arguments.options);
        let work = Temporary::new(tree)?;
        let (directory, image) = (work.path("efi"), work.path("ramdisk.img"));
        efi::boot_loaders(&Tree::contract(), &tree.below(&directory))?;
        tree.write(&format!("{directory}/BOOT/grub.cfg"), menu(options))?;
        copy_kernel(&arguments, &format!("{directory}/BOOT"))?;
        efi::boot_image(tree, &directory, &image)?;
        let given =
            |option: &Option<String>, usual: &str| option.clone().unwrap_or_else(|| usual.into());
        Command::new("mlx-mkbfb")
            .args(["--ramdisk", &tree.path(&image)])
            .args(["--capsule", &given(&options.capsule, CAPSULE)])
            .arg("--boot-path")
            .arg(format!("={}", given(&options.boot_path, BOOT_PATH)))
            .arg("--boot-desc")
            .arg(format!("={}", given(&options.boot_desc, BOOT_DESCRIPTION)))
            .args([FIRMWARE, &tree.path(&options.filename)])
            .run()
    })
}

/// Kernel and initramfs, with the root file system behind it.
fn copy_kernel(arguments: &Arguments<Options>, boot: &str) -> Result<()> {
    let tree = &arguments.tree;
    let initramfs = format!("{boot}/initramfs.img");
    let how = CopyOptions {
        remove_destination: false,
        follow: true,
    };
    for (input, to) in [
        ("kernel", &format!("{boot}/vmlinuz")),
        ("initramfs", &initramfs),
    ] {
        let source = arguments.input(input)?.single_file()?;
        Tree::contract().copy(&source, &tree.path(to), how)?;
    }
    if let Some(root) = arguments.inputs.get("rootfs") {
        efi::append(tree, &initramfs, &root.single_file()?)?;
    }
    Ok(())
}

fn menu(options: &Options) -> String {
    let arguments = match &options.kernel_args {
        Some(arguments) => arguments.join(" "),
        None => KERNEL_ARGUMENTS.into(),
    };
    format!(
        "\nset timeout=5\nset default=0\n\nmenuentry \"RHCOS Live\" {{\n    linux /EFI/BOOT/vmlinuz {arguments}\n    initrd /EFI/BOOT/initramfs.img\n}}\n"
    )
}
