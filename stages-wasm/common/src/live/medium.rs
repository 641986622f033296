//! The medium: boot loaders, their configuration, and the ISO 9660 image.
use super::{Areas, System, copy_file, json};
use crate::{efi, globs};
use osbuild_stage::{Command, Context, FileType, Result, Tree, bail, path};
use serde_json::json;

/// Boot loader configuration of the deployed tree.
const CONFIGURATION: &str = "usr/share/coreos-assembler/live";
/// What of it is for people.
const README: &str = "README-devel.md";
/// What of it is for s390x.
const ZIPL: &str = "zipl.prm";
const SYSLINUX: &str = "/usr/share/syslinux";
const SYSLINUX_FILES: [&str; 5] = [
    "isolinux.bin",
    "ldlinux.c32",
    "libcom32.c32",
    "libutil.c32",
    "vesamenu.c32",
];
const IGNITION: &str = "images/ignition.img";
/// Space for the configuration that is added to the medium.
const IGNITION_SIZE: u64 = 256 << 10;
const ESP: &str = "images/efiboot.img";
const OPEN_FIRMWARE_MENU: &str = "boot/grub/grub.cfg";

/// What the medium boots on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Architecture {
    /// With BIOS and EFI.
    X86_64,
    /// With EFI.
    Aarch64,
    /// With Open Firmware.
    Ppc64le,
}

/// Machines of ELF files, and whether numbers are little endian.
const MACHINES: [(u16, Architecture); 3] = [
    (62, Architecture::X86_64),
    (183, Architecture::Aarch64),
    (21, Architecture::Ppc64le),
];
const S390: u16 = 22;

impl Architecture {
    /// That of a system's shell.
    pub fn of(system: &System) -> Result<Self> {
        let file = system.tree.open("usr/bin/sh")?;
        let header = file.read_at(0, 20)?;
        Self::of_header(&header).with_context(|| file.path().to_owned())
    }

    fn of_header(header: &[u8]) -> Result<Self> {
        let (true, Some(machine)) = (header.starts_with(b"\x7fELF"), header.get(18..20)) else {
            bail!("this is no program, and says nothing of the architecture");
        };
        let bytes = [machine[0], machine[1]];
        let machine = match header[5] {
            1 => u16::from_le_bytes(bytes),
            _ => u16::from_be_bytes(bytes),
        };
        match MACHINES.iter().find(|(number, _)| *number == machine) {
            Some((_, architecture)) => Ok(*architecture),
            None if machine == S390 => bail!("live media for s390x are not made by this version"),
            None => bail!("there are no live media for machine {machine} of ELF"),
        }
    }

    /// Whether the firmware is EFI.
    pub fn has_efi(self) -> bool {
        self != Self::Ppc64le
    }
}

/// A medium that is being made.
#[derive(Debug)]
pub struct Medium<'a> {
    /// Where its content is.
    pub tree: Tree,
    /// The system that it boots.
    pub system: &'a System,
    /// What it boots on.
    pub architecture: Architecture,
    /// Name and version of the system.
    pub name: &'a str,
}

impl Medium<'_> {
    /// Its volume label: ISO 9660 has space for 32 characters.
    pub fn label(&self) -> String {
        self.name.chars().take(32).collect()
    }

    /// Writes the boot loaders and their configuration. `work` is a directory for files in between; the kernel gets `arguments`.
    pub fn write_boot_loaders(&self, work: &Tree, arguments: &str) -> Result<()> {
        let mut areas = Areas::default();
        let configuration = self.system.tree.below(CONFIGURATION);
        self.configure(&configuration, "", &mut areas, arguments)?;
        self.tree.create(IGNITION)?.set_size(IGNITION_SIZE)?;
        match self.architecture {
            Architecture::X86_64 => {
                self.write_isolinux()?;
                self.write_efi(work, &mut areas)?;
            }
            Architecture::Aarch64 => self.write_efi(work, &mut areas)?,
            Architecture::Ppc64le => self.write_open_firmware(&mut areas)?,
        }
        let coreos = |name: &str| format!("coreos/{name}");
        self.tree
            .write(&coreos("igninfo.json"), json(&json!({ "file": IGNITION }))?)?;
        self.tree.remove_if_exists(ZIPL)?;
        self.tree
            .write(&coreos("kargs.json"), areas.describe(&self.tree)?)
    }

    fn configure(
        &self,
        from: &Tree,
        directory: &str,
        areas: &mut Areas,
        arguments: &str,
    ) -> Result<()> {
        for entry in from.list(directory)? {
            let name = path::join(directory, &entry.name);
            let name = name.trim_start_matches('/');
            match entry.kind {
                FileType::Directory => {
                    self.tree.create_dir_all(name)?;
                    self.configure(from, name, areas, arguments)?;
                }
                _ if entry.name == README => {}
                _ => {
                    let text = areas.fill(name, &from.read_to_string(name)?, arguments)?;
                    self.tree.write(name, text)?;
                }
            }
        }
        Ok(())
    }

    fn write_isolinux(&self) -> Result<()> {
        for name in SYSLINUX_FILES {
            let from = format!("{SYSLINUX}/{name}");
            copy_file(&from, &self.tree.path(&format!("isolinux/{name}")))
                .with_context(|| format!("the build root needs {from}"))?;
        }
        Ok(())
    }

    /// The only menu of GRUB, which is in a directory of EFI.
    fn menu(&self) -> Result<String> {
        match &globs::expand(&self.tree, "EFI/*/grub.cfg")?[..] {
            [only] => Ok(only.trim_start_matches('/').to_owned()),
            found => bail!(
                "/{CONFIGURATION} of the deployed tree has {} files EFI/*/grub.cfg, not one",
                found.len()
            ),
        }
    }

    /// The firmware starts GRUB from an image of its own, and that reads the menu on the medium.
    fn write_efi(&self, work: &Tree, areas: &mut Areas) -> Result<()> {
        let directory = "efi";
        let vendor = efi::boot_loaders(&self.system.tree, &work.below(directory))?;
        let (menu, of_vendor) = (self.menu()?, format!("EFI/{vendor}"));
        if path::parent(&menu) != of_vendor {
            self.tree.rename(path::parent(&menu), &of_vendor)?;
            areas.moved(&menu, &format!("{of_vendor}/grub.cfg"));
        }
        let stub = format!(
            "search --label \"{}\" --set root --no-floppy\nset prefix=($root)/{of_vendor}\necho \"Booting via ESP...\"\nconfigfile $prefix/grub.cfg\nboot\n",
            self.label()
        );
        work.write(&format!("{directory}/BOOT/grub.cfg"), stub)?;
        let image = "efiboot.img";
        efi::boot_image(work, directory, image)?;
        copy_file(&work.path(image), &self.tree.path(ESP))
    }

    fn write_open_firmware(&self, areas: &mut Areas) -> Result<()> {
        let menu = self.menu()?;
        self.tree.create_dir_all(path::parent(OPEN_FIRMWARE_MENU))?;
        self.tree.rename(&menu, OPEN_FIRMWARE_MENU)?;
        areas.moved(&menu, OPEN_FIRMWARE_MENU);
        self.tree.remove_all("EFI")?;
        self.tree.remove_all("isolinux")
    }

    /// Makes the image, by contract path.
    pub fn write_image(&self, image: &str) -> Result<()> {
        let command = match self.architecture {
            Architecture::Ppc64le => Command::new("grub2-mkrescue").args(["-volid", &self.label()]),
            _ => Command::new("genisoimage").args(["-verbose", "-V", &self.label()]),
        };
        command
            .args(["-volset", self.name, "-rational-rock", "-J", "-joliet-long"])
            .args(self.boot_catalog())
            .args(["-o", image, self.tree.root()])
            .run()?;
        match self.architecture {
            Architecture::X86_64 => Command::new("isohybrid").args(["--uefi", image]).run(),
            _ => Ok(()),
        }
    }

    /// The boot catalog of El Torito.
    fn boot_catalog(&self) -> Vec<&'static str> {
        let bios = "-eltorito-boot isolinux/isolinux.bin -eltorito-catalog isolinux/boot.cat -no-emul-boot -boot-load-size 4 -boot-info-table";
        let efi = "-eltorito-alt-boot -efi-boot images/efiboot.img -no-emul-boot";
        let parts: &[&str] = match self.architecture {
            Architecture::X86_64 => &[bios, efi],
            Architecture::Aarch64 => &[efi],
            Architecture::Ppc64le => &[],
        };
        parts.iter().flat_map(|part| part.split(' ')).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(order: u8, machine: [u8; 2]) -> Vec<u8> {
        let mut header = b"\x7fELF\x02".to_vec();
        header.push(order);
        header.resize(18, 0);
        header.extend(machine);
        header
    }

    #[test]
    fn the_architecture_is_that_of_a_program() {
        let of = |order, machine| Architecture::of_header(&header(order, machine));
        assert_eq!(of(1, [62, 0]).unwrap(), Architecture::X86_64);
        assert_eq!(of(1, [183, 0]).unwrap(), Architecture::Aarch64);
        assert_eq!(of(1, [21, 0]).unwrap(), Architecture::Ppc64le);
        assert!(of(2, [0, 22]).unwrap_err().to_string().contains("s390x"));
        assert!(of(1, [40, 0]).is_err() && Architecture::of_header(b"#!/bin/sh").is_err());
    }
}
