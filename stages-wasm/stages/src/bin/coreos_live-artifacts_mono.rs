//! Build CoreOS live ISO, kernel, initramfs and rootfs from metal images and a deployed tree.
#![forbid(unsafe_code)]
use osbuild_stage::loopback::{Device, Options as Attachment};
use osbuild_stage::{Arguments, Command, Context, Result, Tree, bail};
use osbuild_stage_common::compress::{self, Method};
use osbuild_stage_common::digest::{sha256_blocks, sha256_file};
use osbuild_stage_common::live::{
    self, Architecture, Archive, Disk, Medium, RootFs, System, copy_file,
};
use osbuild_stage_common::temporary::Temporary;
use serde::Deserialize;
use std::process::ExitCode;

/// Directories of the work: the medium, what is added to the initramfs, what is in the archive of the root file system.
const MEDIUM: &str = "iso";
const INITRD: &str = "initrd";
const ROOT: &str = "initrd-rootfs";
/// Files of the medium for network boot.
const VMLINUZ: &str = "iso/images/pxeboot/vmlinuz";
const INITRAMFS: &str = "iso/images/pxeboot/initrd.img";
const ROOTFS: &str = "iso/images/pxeboot/rootfs.img";
/// Where coreos-installer notes how to make a minimal medium, and the space it has for that.
const MINIMAL: &str = "iso/coreos/miniso.dat";
const MINIMAL_SIZE: u64 = 16 << 10;
/// The initramfs compares the archive of the root file system in blocks of this size.
const HASH_BLOCK: u64 = 2 << 20;
/// Arguments of the kernel that are for an installed system only.
const INSTALLED_ONLY: [&str; 4] = [
    "$ignition_firstboot",
    "console",
    "ignition.platform.id",
    "ostree",
];
/// Where programs of the deployed tree find the work.
const WORK: &str = "run";

#[derive(Deserialize)]
struct Options {
    filenames: Filenames,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Filenames {
    live_iso: String,
    live_kernel: String,
    live_initramfs: String,
    live_rootfs: String,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| -> Result<()> {
        let (tree, names) = (&arguments.tree, &arguments.options.filenames);
        let metal = arguments.input("metal")?.single_file()?;
        let metal4k = arguments.input("metal4k")?.single_file()?;
        let system = System::new(arguments.input("deployed-tree")?.tree())?;
        let temporary = Temporary::new(tree)?;
        let work = Work {
            architecture: Architecture::of(&system)?,
            tree: tree.below(temporary.name()),
            system,
        };
        work.begin()?;
        work.pack_osmet("metal", &metal, 512)?;
        work.pack_osmet("metal4k", &metal4k, 4096)?;
        let installed = work.root_file_system(&metal)?;
        work.archives()?;
        let medium = Medium {
            tree: work.tree.below(MEDIUM),
            system: &work.system,
            architecture: work.architecture,
            name: &format!("{}-{}", installed.name, work.system.version()?),
        };
        let kernel_arguments = live_arguments(&installed.kernel_arguments, &medium.label());
        medium.write_boot_loaders(&work.tree, &kernel_arguments)?;
        work.write_images(&medium)?;
        for (from, to) in [
            (VMLINUZ, &names.live_kernel),
            (INITRAMFS, &names.live_initramfs),
            ("rootfs.img", &names.live_rootfs),
            ("live.iso", &names.live_iso),
        ] {
            copy_file(&work.tree.path(from), &tree.path(to))?;
        }
        Ok(())
    })
}

/// What is known of the system on the disk image.
struct Installed {
    name: String,
    kernel_arguments: String,
}

/// The arguments of a kernel that runs from a medium.
fn live_arguments(installed: &str, label: &str) -> String {
    let name = |argument: &&str| argument.split('=').next().unwrap_or_default().to_owned();
    let words = installed.split_whitespace();
    let kept = words.filter(|word| !INSTALLED_ONLY.contains(&name(word).as_str()));
    let live = format!("coreos.liveiso={label}");
    kept.chain([live.as_str()]).collect::<Vec<_>>().join(" ")
}

struct Work {
    tree: Tree,
    system: System,
    architecture: Architecture,
}

impl Work {
    /// Makes the directories, with what the deployed tree has for them.
    fn begin(&self) -> Result<()> {
        for directory in [
            "iso/coreos",
            "iso/isolinux",
            "iso/images/pxeboot",
            "initrd/etc/coreos",
            "initrd-rootfs/etc",
        ] {
            self.tree.create_dir_all(directory)?;
        }
        copy_file(&self.system.of_kernel("vmlinuz")?, &self.tree.path(VMLINUZ))?;
        copy_file(
            &self.system.of_kernel("initramfs.img")?,
            &self.tree.path(INITRAMFS),
        )?;
        let version = format!("{}\n", self.system.version()?);
        self.tree
            .write("initrd/etc/coreos-live-initramfs", &version)?;
        self.tree
            .write("initrd-rootfs/etc/coreos-live-rootfs", &version)?;
        let features = self.system.features()?;
        self.tree
            .write("initrd/etc/coreos/features.json", &features)?;
        self.tree.write("iso/coreos/features.json", &features)
    }

    /// coreos-installer of the deployed tree, which sees the work as its /run.
    fn installer(&self, arguments: &[&str]) -> Command {
        let system = &self.system.tree;
        let mut command = Command::new("chroot")
            .args([system.root(), "coreos-installer"])
            .args(arguments.iter().copied())
            .env("TMPDIR", format!("/{WORK}"))
            .bind(self.tree.root(), system.path(WORK), false);
        for (directory, read_only) in [("/dev", false), ("/proc", false), ("/sys", true)] {
            command = command.bind(directory, system.path(directory), read_only);
        }
        command
    }

    /// Describes a disk image as what an installer makes it of: files of the root file system, and the rest.
    fn pack_osmet(&self, name: &str, image: &str, sector_size: u32) -> Result<()> {
        let options = Attachment {
            offset: 0,
            size: None,
            sector_size,
            read_only: true,
        };
        let device = Device::attach(image, options)?;
        let description = self.system.variable("PRETTY_NAME")?;
        let packed = self
            .installer(&["pack", "osmet", &device.path()])
            .args(["--description", description])
            .args(["--checksum", &sha256_file(image)?])
            .args(["--output", &format!("/{WORK}/{ROOT}/{name}.osmet")])
            .run();
        packed.with_context(|| format!("disk image {name}"))?;
        device.detach()
    }

    /// Makes the root file system of a copy of the disk image.
    fn root_file_system(&self, metal: &str) -> Result<Installed> {
        let copy = self.tree.path("metal.img");
        copy_file(metal, &copy)?;
        let kind = self.root_kind()?;
        let disk = Disk::mount(&copy, self.architecture.has_efi())?;
        disk.prepare()?;
        let installed = Installed {
            name: disk.name(&self.system)?,
            kernel_arguments: disk.kernel_arguments()?,
        };
        let image = self.tree.path(&format!("{ROOT}/{}", kind.file()));
        let options = self.system.image("live-rootfs-fsoptions")?;
        kind.make(disk.root.root(), &image, options)?;
        disk.unmount()?;
        self.tree.remove("metal.img")?;
        Ok(installed)
    }

    fn root_kind(&self) -> Result<RootFs> {
        RootFs::named(
            self.system
                .image("live-rootfs-fstype")?
                .unwrap_or("squashfs"),
        )
    }

    /// Makes the archive of the root file system, and adds what the initramfs must know of it.
    fn archives(&self) -> Result<()> {
        let kind = self.root_kind()?;
        let of = |directory| Archive {
            tree: &self.tree,
            directory,
        };
        of(ROOT).write(ROOTFS, Some(kind.file()))?;
        live::pad(&self.tree, ROOTFS)?;
        let (at, magic) = kind.magic();
        if self.tree.open(ROOTFS)?.read_at(at, magic.len())? != magic {
            bail!(
                "the archive of the root file system does not begin with {}",
                kind.file()
            );
        }
        let sums = sha256_blocks(&self.tree.path(ROOTFS), HASH_BLOCK)?;
        let wanted = format!("stream-hash sha256 {HASH_BLOCK}\n{}\n", sums.join("\n"));
        self.tree
            .write("initrd/etc/coreos-live-want-rootfs", wanted)?;
        of(INITRD).write("initrd.cpio", None)?;
        let compressed = self.tree.create("initrd.cpio.gz")?;
        compress::file(&self.tree.path("initrd.cpio"), compressed, Method::Gzip(9))?;
        live::append(&self.tree, INITRAMFS, "initrd.cpio.gz")
    }

    /// Makes the medium, which knows how to become a minimal one: without the root file system.
    fn write_images(&self, medium: &Medium<'_>) -> Result<()> {
        self.tree.create(MINIMAL)?.set_size(MINIMAL_SIZE)?;
        medium.write_image(&self.tree.path("live.iso"))?;
        self.tree.rename(ROOTFS, "rootfs.img")?;
        self.tree.remove(MINIMAL)?;
        medium.write_image(&self.tree.path("minimal.iso"))?;
        let (full, minimal) = (format!("/{WORK}/live.iso"), format!("/{WORK}/minimal.iso"));
        self.installer(&["pack", "minimal-iso", &full, &minimal, "--consume"])
            .run()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_of_an_installed_system_are_left_out() {
        let installed = "mitigations=auto,nosmt $ignition_firstboot ostree=/ostree/boot.1/x ignition.platform.id=metal console=tty0 consoleblank=0 rw";
        assert_eq!(
            live_arguments(installed, "os-1"),
            "mitigations=auto,nosmt consoleblank=0 rw coreos.liveiso=os-1"
        );
    }
}
