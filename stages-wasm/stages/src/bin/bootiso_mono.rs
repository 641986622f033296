//! Make the content of an installer medium in one go.
#![forbid(unsafe_code)]
use osbuild_stage::mount::FileSystem;
use osbuild_stage::{Arguments, Command, Context, CopyOptions, FileType, Result, Tree};
use osbuild_stage_common::image::with_file_system;
use osbuild_stage_common::installer::{self, Product};
use osbuild_stage_common::squashfs;
use osbuild_stage_common::temporary::Temporary;
use serde::Deserialize;
use std::process::ExitCode;

const TEMPLATES: &str = "/usr/share/lorax/templates.d";
const SYSLINUX: &str = "/usr/share/syslinux";
const SPLASH: &str = "usr/share/anaconda/boot/syslinux-splash.png";
const MODULES: [&str; 4] = ["ldlinux.c32", "libcom32.c32", "libutil.c32", "vesamenu.c32"];
const KERNEL: &str = "images/pxeboot/vmlinuz";
const INITRD: &str = "images/pxeboot/initrd.img";
/// Bytes of a block of the medium, which files of the EFI boot image are counted in.
const BLOCK: u64 = 2048;
/// Blocks that the file system of the EFI boot image needs.
const EFI_SPACE: u64 = 256;
/// Bytes that a directory of it needs.
const EFI_DIRECTORY: u64 = 4096;

const PLAIN: CopyOptions = CopyOptions {
    remove_destination: false,
    follow: false,
};

#[derive(Deserialize)]
struct Options {
    product: Product,
    kernel: String,
    isolabel: String,
    efi: Option<Efi>,
    isolinux: Option<Isolinux>,
    kernel_opts: Option<String>,
    templates: Option<String>,
    #[serde(default)]
    rootfs: RootFs,
}

#[derive(Deserialize)]
struct Efi {
    architectures: Vec<String>,
    vendor: String,
}

#[derive(Deserialize)]
struct Isolinux {
    enabled: bool,
    #[serde(default)]
    debug: bool,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RootFs {
    compression: Option<squashfs::Compression>,
    size: Option<u64>,
}

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(&[], |arguments: Arguments<Options>| -> Result<()> {
        let (tree, options) = (&arguments.tree, &arguments.options);
        let system = arguments.input("rootfs")?.tree();
        let kernel = match arguments.inputs.get("kernel") {
            Some(input) => input.tree(),
            None => system.clone(),
        };
        tree.create_dir("images")?;
        tree.create_dir("images/pxeboot")?;
        let version = &options.kernel;
        for (from, to) in [
            (format!("boot/vmlinuz-{version}"), KERNEL),
            (format!("boot/initramfs-{version}.img"), INITRD),
        ] {
            copy_content(&kernel, &from, tree, to, 0o644)?;
        }
        if let Some(isolinux) = options.isolinux.as_ref().filter(|given| given.enabled) {
            isolinux.write(tree, &system, options)?;
        }
        if let Some(efi) = &options.efi {
            efi.write(tree, options)?;
        }
        options.rootfs.write(tree, &system)
    })
}

/// Copies what a file holds, but nothing else of it.
fn copy_content(from: &Tree, source: &str, to: &Tree, name: &str, mode: u32) -> Result<()> {
    let source = from.open(source)?;
    let size = source.stat()?.size;
    let target = to.create(name)?;
    target.copy_from(&source, 0, 0, size)?;
    to.set_mode(name, mode)
}

impl Options {
    /// The arguments of the kernel.
    fn arguments(&self) -> String {
        let first = format!("inst.stage2=hd:LABEL={}", self.isolabel);
        match self.kernel_opts.as_deref() {
            None | Some("") => first,
            Some(more) => format!("{first} {more}"),
        }
    }

    /// A configuration file of lorax with its variables filled in.
    fn config(&self, name: &str, more: &[(&str, &str)]) -> Result<String> {
        let arm = self.efi.iter().flat_map(|efi| &efi.architectures);
        let directory = if arm.into_iter().any(|name| name == "AA64") {
            "aarch64"
        } else {
            "x86"
        };
        let templates = self.templates.as_deref().unwrap_or("99-generic");
        let path = format!("{TEMPLATES}/{templates}/config_files/{directory}/{name}");
        let text = Tree::contract()
            .read_to_string(&path)
            .with_context(|| format!("the build root needs {path}"))?;
        let arguments = self.arguments();
        let variables = [
            ("@VERSION@", self.product.version.as_str()),
            ("@PRODUCT@", &self.product.name),
            ("@ROOT@", &arguments),
        ];
        let variables = more.iter().chain(&variables);
        Ok(variables.fold(text, |text, (variable, value)| {
            text.replace(variable, value)
        }))
    }
}

impl Isolinux {
    fn write(&self, tree: &Tree, system: &Tree, options: &Options) -> Result<()> {
        tree.create_dir("isolinux")?;
        let loader = if self.debug {
            "isolinux-debug.bin"
        } else {
            "isolinux.bin"
        };
        let modules = MODULES.iter().map(|name| (*name, *name));
        for (from, to) in modules.chain([(loader, "isolinux.bin")]) {
            let (from, to) = (format!("{SYSLINUX}/{from}"), format!("isolinux/{to}"));
            copy_content(&Tree::contract(), &from, tree, &to, 0o755)
                .with_context(|| format!("the build root needs {from}"))?;
        }
        for name in ["isolinux.cfg", "boot.msg", "grub.conf"] {
            tree.write(&format!("isolinux/{name}"), options.config(name, &[])?)?;
        }
        copy_content(system, SPLASH, tree, "isolinux/splash.png", 0o644)?;
        tree.hard_link(KERNEL, "isolinux/vmlinuz")?;
        tree.hard_link(INITRD, "isolinux/initrd.img")
    }
}

impl Efi {
    fn write(&self, tree: &Tree, options: &Options) -> Result<()> {
        installer::boot_directory(tree, &self.vendor, &self.architectures)?;
        let (kernel, initrd) = (format!("/{KERNEL}"), format!("/{INITRD}"));
        let variables = [
            ("@KERNELNAME@", "vmlinuz"),
            ("@KERNELPATH@", kernel.as_str()),
            ("@INITRDPATH@", &initrd),
            ("@ISOLABEL@", &options.isolabel),
        ];
        let config = options.config("grub2-efi.cfg", &variables)?;
        tree.write("EFI/BOOT/grub.cfg", &config)?;
        if self.architectures.iter().any(|name| name == "IA32") {
            tree.write("EFI/BOOT/BOOT.cfg", &config)?;
        }
        let image = "images/efiboot.img";
        tree.create(image)?.set_size(efi_size(tree)?)?;
        with_file_system(
            &tree.path(image),
            FileSystem::Vfat,
            &[],
            |device| {
                Command::new("mkfs.fat")
                    .args(["-n", "ANACONDA", device])
                    .stdin("y")
                    .run()
            },
            |root| {
                root.create_dir("EFI")?;
                Tree::contract().copy(&tree.path("EFI/BOOT"), &root.path("EFI/BOOT"), PLAIN)
            },
        )
    }
}

fn efi_size(tree: &Tree) -> Result<u64> {
    let mut size = EFI_SPACE * BLOCK + EFI_DIRECTORY;
    tree.walk("EFI", &mut |_, metadata| {
        size += match metadata.kind {
            FileType::Directory => EFI_DIRECTORY,
            _ => metadata.size.max(1).next_multiple_of(BLOCK),
        };
        Ok(())
    })?;
    Ok(size)
}

impl RootFs {
    /// The system in a file system in a squashfs.
    fn write(&self, tree: &Tree, system: &Tree) -> Result<()> {
        let work = Temporary::new(tree)?;
        // Its root is the root of the image: not private, as the directory around it is.
        let content = work.path("content");
        let image = format!("{content}/LiveOS/rootfs.img");
        tree.create_dir_all(&format!("{content}/LiveOS"))?;
        let size = self.size.unwrap_or(3072) << 20;
        tree.create(&image)?.set_size(size)?;
        with_file_system(
            &tree.path(&image),
            FileSystem::Ext4,
            &[],
            |device| {
                Command::new("mkfs.ext4")
                    .args(["-L", "Anaconda", "-b", "4096", "-m", "0", device])
                    .stdin("y")
                    .run()
            },
            |root| Tree::contract().copy(&system.path("."), root.root(), PLAIN),
        )?;
        let target = tree.path("images/install.img");
        squashfs::command(&tree.path(&content), &target, self.compression.as_ref()).run()
    }
}
