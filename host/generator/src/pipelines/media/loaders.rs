//! Loaders of a medium for firmware other than UEFI.
use super::{KERNEL_DIRECTORY, Medium};
use crate::customizations::nodes;
use crate::manifest::{Stage, pipeline_tree};
use crate::sources::Sources;
use osbuild_wasm_distro::{Arch, IsoBoot};
use serde_json::{Map, Value, json};

/// Packages of the build root for the loaders of an architecture, UEFI's among them.
pub fn build_packages(arch: Arch) -> Vec<String> {
    let grub = ["grub2-tools", "grub2-tools-minimal", "grub2-tools-extra"];
    let own: &[&str] = match arch {
        Arch::X86_64 => &[
            "efibootmgr",
            "grub2-efi-x64",
            "grub2-efi-x64-cdboot",
            "grub2-pc",
            "grub2-pc-modules",
            "shim-x64",
        ],
        Arch::Aarch64 => &[
            "efibootmgr",
            "grub2-efi-aa64",
            "grub2-efi-aa64-cdboot",
            "shim-aa64",
        ],
        Arch::Riscv64 => &[
            "efibootmgr",
            "grub2-efi-riscv64",
            "grub2-efi-riscv64-cdboot",
        ],
        Arch::Ppc64le => &["grub2-ppc64le", "grub2-ppc64le-modules"],
        Arch::S390x => {
            return ["s390utils-base", "s390utils-core"]
                .map(String::from)
                .to_vec();
        }
    };
    grub.iter().chain(own).map(ToString::to_string).collect()
}

/// Packages of the build root for the loader that is not the architecture's own.
pub fn extra_build_packages(boot: IsoBoot) -> Vec<String> {
    match boot {
        IsoBoot::Isolinux => ["syslinux", "syslinux-nonlinux"].map(String::from).to_vec(),
        _ => Vec::new(),
    }
}

/// The stages that add the loader beside UEFI's, or in its place; `system` is the pipeline that isolinux comes from.
pub fn stages(medium: &Medium, system: &str, sources: &mut Sources) -> Vec<Stage> {
    match medium.boot {
        IsoBoot::Uefi => Vec::new(),
        IsoBoot::Isolinux => vec![isolinux(medium, system)],
        IsoBoot::Grub2 => vec![grub2_for_bios(medium), eltorito()],
        IsoBoot::Ppc64le => open_firmware(medium, sources),
        IsoBoot::S390x => ibm_z(medium, sources),
    }
}

/// isolinux, with its own menu.
pub fn isolinux(medium: &Medium, system: &str) -> Stage {
    let mut menu = medium.menu();
    if medium.fips_menu {
        menu.insert("fips".into(), true.into());
    }
    Stage::new("isolinux", menu.into()).input("data", pipeline_tree(system))
}

/// Menu of a GRUB that is not UEFI's.
fn grub2_menu(medium: &Medium, menu: &mut Map<String, Value>) {
    menu.extend(medium.menu());
    menu.insert("isolabel".into(), json!(medium.label));
    medium.add_entries(menu);
}

fn grub2_for_bios(medium: &Medium) -> Stage {
    let mut menu = Map::new();
    grub2_menu(medium, &mut menu);
    medium.add_choice(&mut menu);
    Stage::new("grub2.iso.legacy", menu.into())
}

/// The image that a BIOS boots from.
fn eltorito() -> Stage {
    Stage::new(
        "grub2.inst",
        json!({
            "filename": "images/eltorito.img",
            "platform": "i386-pc",
            "core": {"type": "mkimage", "partlabel": "gpt", "filesystem": "iso9660"},
            "prefix": {"path": "/boot/grub2"},
        }),
    )
}

/// GRUB for POWER, and the script by which Open Firmware finds it (CHRP).
fn open_firmware(medium: &Medium, sources: &mut Sources) -> Vec<Stage> {
    let mut menu = Map::new();
    menu.insert("grub2dir".into(), "boot/grub".into());
    grub2_menu(medium, &mut menu);
    menu.insert("platform".into(), "powerpc-ieee1275".into());
    medium.add_choice(&mut menu);
    vec![
        Stage::new("grub2.iso.legacy", menu.into()),
        Stage::new("mkdir", json!({"paths": [{"path": "/ppc"}]})),
        nodes::bytes_file_stage("/ppc/bootinfo.txt", chrp_boot_script().as_bytes(), sources),
    ]
}

/// The CHRP boot script: an icon of 64 by 64 pixels of one byte each, half of it white and half of it black, as bytes
/// in lines of 25, and what to boot.
fn chrp_boot_script() -> String {
    const HEAD: &str = "<chrp-boot>\n<description>grub 2.00</description>\n<os-name>grub 2.00</os-name>\n\
        <boot-script>boot &device;:\\boot\\grub\\powerpc-ieee1275\\core.elf</boot-script>\n\
        <icon size=64,64 color-space=3,3,2>\n<bitmap>";
    let pixels = 64 * 64;
    let mut script = HEAD.to_owned();
    for pixel in 0..pixels {
        // The first line is shorter by the ten bytes whose place the tag takes.
        let separator = if pixel >= 15 && (pixel - 15) % 25 == 0 {
            '\n'
        } else {
            ' '
        };
        script.push(separator);
        script.push_str(if pixel < pixels / 2 { "FF" } else { "00" });
    }
    script + " </bitmap> </icon> </chrp-boot>\n"
}

/// Parameter files and scripts of IBM Z for every way to start (reader, LPAR, DVD), and the boot image.
fn ibm_z(medium: &Medium, sources: &mut Sources) -> Vec<Stage> {
    let kernel = format!("{KERNEL_DIRECTORY}/vmlinuz");
    let initrd = format!("{KERNEL_DIRECTORY}/initrd.img");
    let parameters = format!("ro {}\n", medium.kernel_options.join(" "));
    let files = [
        (
            "redhat.exec",
            "/* */\n'CL RDR'\n'PURGE RDR ALL'\n'SPOOL PUNCH * RDR'\n'PUNCH KERNEL IMG A (NOH'\n\
             'PUNCH GENERIC PRM A (NOH'\n'PUNCH INITRD IMG A (NOH'\n'CH RDR ALL KEEP NOHOLD'\n'I 00C'\n",
        ),
        (
            "generic.prm",
            "ro ramdisk_size=40000 cio_ignore=all,!condev\n",
        ),
        (
            "genericdvd.prm",
            "ro ramdisk_size=40000 cio_ignore=all,!condev rd.cmdline=ask\n",
        ),
        (
            "generic.ins",
            "* minimal lpar ins file\nimages/kernel.img 0x00000000\nimages/initrd.img 0x02000000\n\
             images/genericdvd.prm 0x00010480\nimages/initrd.addrsize 0x00010408\n",
        ),
        ("cdboot.prm", parameters.as_str()),
    ];
    let mut stages: Vec<Stage> = files
        .into_iter()
        .map(|(name, text)| {
            nodes::bytes_file_stage(&format!("/images/{name}"), text.as_bytes(), sources)
        })
        .collect();
    stages.push(Stage::new(
        "createaddrsize",
        json!({"initrd": initrd, "addrsize": "/images/initrd.addrsize"}),
    ));
    stages.push(Stage::new(
        "mks390image",
        json!({"kernel": kernel, "initrd": initrd, "config": "/images/cdboot.prm", "image": "/images/cdboot.img"}),
    ));
    stages
}
