//! What the GRUB stages share: file system references, environment block, defaults, the head of a configuration, copies.
mod terminals;

use crate::quoting::{grub_word, shell_quoted, shell_text, shell_word};
use osbuild_stage::grub::Core;
use osbuild_stage::{CopyOptions, Error, Result, Tree, bail, path};
use serde::Deserialize;

pub use terminals::Terminals;

/// Bytes of an environment block, as GRUB demands.
const ENVIRONMENT_SIZE: usize = 1024;
const FONT: &str = "/usr/share/grub/unicode.pf2";

/// How GRUB and the kernel find a file system.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct FileSystem {
    /// By its UUID.
    pub uuid: Option<String>,
    /// By its label.
    pub label: Option<String>,
    /// By the name of its device.
    pub device: Option<String>,
}

impl FileSystem {
    /// The file system with this UUID.
    pub fn with_uuid(uuid: &str) -> Self {
        Self {
            uuid: Some(uuid.into()),
            ..Self::default()
        }
    }

    /// What follows `root=` on a kernel command line.
    pub fn root(&self, option: &str) -> Result<String> {
        self.named(option, "UUID=", "LABEL=")
    }

    /// The arguments of GRUB's `search`.
    pub fn search(&self, option: &str) -> Result<String> {
        self.named(option, "--fs-uuid ", "--label ")
    }

    /// The first that is not empty: one word of GRUB, and of the kernel.
    fn named(&self, option: &str, uuid: &str, label: &str) -> Result<String> {
        for (tag, value) in [(uuid, &self.uuid), (label, &self.label), ("", &self.device)] {
            if let Some(value) = value.as_deref().filter(|value| !value.is_empty()) {
                grub_word(option, value)?;
                return Ok(format!("{tag}{value}"));
            }
        }
        bail!("options.{option}: a file system needs a uuid, a label or a device")
    }
}

/// Directory of /boot as GRUB sees it: a boot file system of its own has no `/boot` in its paths.
pub fn home(has_boot_fs: bool) -> &'static str {
    if has_boot_fs { "/" } else { "/boot/" }
}

/// An environment block with these lines, in which a backslash is written twice.
pub fn environment(lines: &[String]) -> Result<String> {
    let mut text = String::from("# GRUB Environment Block\n");
    for line in lines {
        text += &format!("{}\n", line.replace('\\', "\\\\"));
    }
    let used = text.len();
    if used > ENVIRONMENT_SIZE {
        bail!(
            "the GRUB environment block takes {ENVIRONMENT_SIZE} bytes, {used} are needed: shorten the kernel options"
        );
    }
    Ok(text + &"#".repeat(ENVIRONMENT_SIZE - used))
}

/// Lines of etc/default/grub, which scripts of GRUB source.
#[derive(Debug, Default)]
pub struct Defaults {
    text: String,
    /// The first value that is no data.
    problem: Option<Error>,
}

/// What Fedora's file has for the name of the distribution: the one command that is known.
const DISTRIBUTOR: &str = "$(sed 's, release .*$,,g' /etc/system-release)";

impl Defaults {
    /// `NAME=value`.
    #[must_use]
    pub fn plain(self, name: &str, value: impl std::fmt::Display) -> Self {
        let value = value.to_string();
        let checked = shell_word(&option_of(name), &value);
        self.line(name, &value, checked)
    }

    /// The kernel's command line, in which quotes are the kernel's and variables GRUB's.
    #[must_use]
    pub fn cmdline(self, value: &str) -> Self {
        const NAME: &str = "CMDLINE_LINUX";
        self.lines(NAME, shell_text(&option_of(NAME), value))
    }

    /// `NAME="value"`.
    #[must_use]
    pub fn quoted(self, name: &str, value: &str) -> Self {
        match (name, value) {
            ("DISTRIBUTOR", DISTRIBUTOR) => self.line(name, &format!("\"{value}\""), Ok(())),
            _ => self.lines(name, shell_quoted(&option_of(name), value)),
        }
    }

    fn line(mut self, name: &str, value: &str, checked: Result<()>) -> Self {
        self.problem = self.problem.or(checked.err());
        self.text += &format!("GRUB_{name}={value}\n");
        self
    }

    /// `NAME=value` when there is a value.
    #[must_use]
    pub fn given(self, name: &str, value: Option<impl std::fmt::Display>) -> Self {
        match value {
            Some(value) => self.plain(name, value),
            None => self,
        }
    }

    /// `NAME="value"` when the value is not empty.
    #[must_use]
    pub fn quoted_if_given(self, name: &str, value: &str) -> Self {
        match value {
            "" => self,
            value => self.quoted(name, value),
        }
    }

    /// Serial line, each command of which is checked by itself, and terminals, as far as they are given.
    #[must_use]
    pub fn terminals(self, terminals: &Terminals) -> Self {
        const NAME: &str = "SERIAL_COMMAND";
        let lines = |serial: &str| -> Result<String> {
            let lines = serial
                .split('\n')
                .map(|line| shell_text(&option_of(NAME), line));
            Ok(lines.collect::<Result<Vec<_>>>()?.join("\n"))
        };
        let with_serial = match terminals.serial.as_deref() {
            None | Some("") => self,
            Some(serial) => self.lines(NAME, lines(serial)),
        };
        with_serial
            .quoted_if_given("TERMINAL", &terminals.terminal.join(" "))
            .quoted_if_given("TERMINAL_INPUT", &terminals.terminal_input.join(" "))
            .quoted_if_given("TERMINAL_OUTPUT", &terminals.terminal_output.join(" "))
    }

    fn lines(self, name: &str, text: Result<String>) -> Self {
        match text {
            Ok(text) => self.line(name, &format!("\"{text}\""), Ok(())),
            Err(problem) => self.line(name, "", Err(problem)),
        }
    }

    /// Writes the file.
    pub fn write(self, tree: &Tree) -> Result<()> {
        if let Some(problem) = self.problem {
            return Err(problem);
        }
        tree.create_dir_all("etc/default")?;
        tree.write("etc/default/grub", self.text)
    }
}

/// The option that a variable of GRUB's scripts comes from.
fn option_of(name: &str) -> String {
    match name {
        "CMDLINE_LINUX" => "kernel_opts or config.cmdline".into(),
        "SERIAL_COMMAND" => "config.serial".into(),
        name => format!("config.{}", name.to_lowercase()),
    }
}

/// The head of a configuration: time-out, environment, which entry to boot.
pub fn config_head(timeout: u64) -> String {
    format!(
        "
set timeout={timeout}

# variables that survive a boot
load_env

# `next_entry` is for the next boot only, `saved_entry` for all others; tools such as
# grub2-reboot and grub2-set-default write them into the environment block

if [ \"${{next_entry}}\" ] ; then
   set default=\"${{next_entry}}\"
   set next_entry=
   save_env next_entry
   set boot_once=true
else
   set default=\"${{saved_entry}}\"
fi

"
    )
}

/// Copies the modules of a platform from the build root, and the font.
pub fn copy_modules(tree: &Tree, platform: &str) -> Result<()> {
    let (from, to) = (
        format!("/usr/lib/grub/{platform}"),
        format!("boot/grub2/{platform}"),
    );
    tree.create_dir_all(&to)?;
    for entry in Tree::contract().list(&from)? {
        let wanted = entry.name.ends_with(".mod") || entry.name.ends_with(".lst");
        if wanted && entry.name != "fdt.lst" {
            copy(
                &format!("{from}/{}", entry.name),
                &tree.path(&format!("{to}/{}", entry.name)),
            )?;
        }
    }
    tree.create_dir_all("boot/grub2/fonts")?;
    copy(
        FONT,
        &tree.path(&format!("boot/grub2/fonts/{}", path::name(FONT))),
    )
}

/// Copies EFI/BOOT and EFI/VENDOR from a directory of the build root to the tree, which must not have them.
pub fn copy_efi(tree: &Tree, source: &str, vendor: &str) -> Result<()> {
    for name in ["BOOT", vendor] {
        let target = format!("boot/efi/EFI/{name}");
        if tree.exists_itself(&target)? {
            bail!("/{target} is in the tree already");
        }
        tree.create_dir_all("boot/efi/EFI")?;
        copy(&path::join(source, name), &tree.path(&target))?;
    }
    Ok(())
}

fn copy(from: &str, to: &str) -> Result<()> {
    Tree::contract().copy(
        from,
        to,
        CopyOptions {
            remove_destination: false,
            follow: true,
        },
    )
}

/// What a core image is made for.
#[derive(Debug, Clone, Copy)]
pub struct CoreSpec<'a> {
    /// Program that makes it.
    pub program: &'a str,
    /// Platform, e.g. `i386-pc`.
    pub platform: &'a str,
    /// Label of the disk: `gpt`, `dos` or `mbr`.
    pub partition_table: &'a str,
    /// Type of the file system with GRUB's files.
    pub file_system: &'a str,
    /// Where GRUB finds its files.
    pub prefix: &'a str,
}

impl CoreSpec<'_> {
    /// The request to the host: modules for the disk, its label and its file system.
    pub fn core(&self) -> Result<Core> {
        let file_system = match self.file_system {
            "ext4" => "ext2",
            known @ ("xfs" | "btrfs" | "iso9660") => known,
            other => bail!("GRUB cannot be started from a file system of type `{other}`"),
        };
        let bios = (self.platform == "i386-pc").then_some("biosdisk");
        let label = if is_dos(self.partition_table) {
            "part_msdos"
        } else {
            "part_gpt"
        };
        let format = if file_system == "iso9660" {
            "i386-pc-eltorito"
        } else {
            self.platform
        };
        Ok(Core {
            program: self.program.into(),
            platform: self.platform.into(),
            format: format.into(),
            prefix: self.prefix.into(),
            modules: bios
                .into_iter()
                .chain([label, file_system])
                .map(Into::into)
                .collect(),
        })
    }
}

/// `(,gpt2)/boot/grub2`: a directory on partition `number`, counted from 1.
pub fn partition_prefix(partition_table: &str, number: u64, directory: &str) -> String {
    let label = if is_dos(partition_table) {
        "msdos"
    } else {
        "gpt"
    };
    format!("(,{label}{number})/{}", directory.trim_start_matches('/'))
}

fn is_dos(partition_table: &str) -> bool {
    matches!(partition_table, "dos" | "mbr")
}

/// Where the core image of i386-pc keeps the number of its second sector, counted from its start.
pub const CORE_NEXT_SECTOR: u64 = 500;
/// Where the boot sector keeps the number of the core's first sector.
const BOOT_CORE_SECTOR: u64 = 0x5c;
/// Code in the boot sector; what follows is the disk's signature and partition table.
const BOOT_CODE: usize = 440;

/// Puts GRUB's boot code in front of a disk and lets it load the core image at `sector`.
pub fn write_boot_sector(disk: &osbuild_stage::File, boot_image: &[u8], sector: u64) -> Result<()> {
    let code = boot_image
        .get(..BOOT_CODE)
        .ok_or_else(|| Error::new("GRUB's boot image is shorter than 440 bytes"))?;
    disk.write_at(0, code)?;
    disk.write_at(BOOT_CORE_SECTOR, &sector.to_le_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_block_has_1024_bytes() {
        let block = environment(&["a=\\ü".into()]).unwrap();
        assert!(block.starts_with("# GRUB Environment Block\na=\\\\ü\n###"));
        assert_eq!(block.len(), 1024);
        let block = environment(&["a=b".into()]).unwrap();
        assert!(block.starts_with("# GRUB Environment Block\na=b\n###"));
        assert_eq!(block.len(), 1024);
        assert!(environment(&["x".repeat(998)]).is_ok());
        assert!(environment(&["x".repeat(999)]).is_err());
    }

    #[test]
    fn terminals_that_are_not_set_leave_placeholders_only_in_version_1() {
        let terminals = Terminals {
            terminal_input: vec!["a".into(), "b".into()],
            ..Terminals::default()
        };
        assert_eq!(
            terminals.commands(true).unwrap(),
            "${serial}\nterminal_input a b${terminal_output}"
        );
        assert_eq!(terminals.commands(false).unwrap(), "\nterminal_input a b");
        let with_serial = |serial: &str| Terminals {
            serial: Some(serial.into()),
            ..Terminals::default()
        };
        assert!(with_serial("serial; evil").commands(false).is_err());
        let lines = "serial --unit=0\nsource ${prefix}/bls.cfg";
        let written = with_serial(lines).commands(false).unwrap();
        assert!(written.ends_with(lines), "{written}");
    }

    #[test]
    fn defaults_run_nothing_but_what_names_the_distribution() {
        let good = Defaults::default()
            .quoted("DISTRIBUTOR", DISTRIBUTOR)
            .cmdline("ro x=\"a b\" $ignition_firstboot")
            .plain("TIMEOUT", 5);
        assert!(good.problem.is_none());
        let several = |lines: &str| {
            let serial = Some(lines.into());
            Defaults::default().terminals(&Terminals {
                serial,
                ..Terminals::default()
            })
        };
        assert!(
            several("serial\nsource ${prefix}/bls.cfg")
                .problem
                .is_none()
        );
        assert!(several("serial\n`touch /x`").problem.is_some());
        assert!(
            good.text.contains(r#"x=\"a b\" $ignition"#),
            "{}",
            good.text
        );
        for bad in ["$(touch /x)", "`x`"] {
            assert!(
                Defaults::default()
                    .quoted("DISTRIBUTOR", bad)
                    .problem
                    .is_some()
            );
        }
        for bad in ["$(touch /x)", "a; touch /x", "`x`"] {
            assert!(Defaults::default().plain("DEFAULT", bad).problem.is_some());
        }
    }

    #[test]
    fn core_images_have_the_modules_they_need() {
        let spec = CoreSpec {
            program: "m",
            platform: "i386-pc",
            partition_table: "mbr",
            file_system: "ext4",
            prefix: "/p",
        };
        assert_eq!(
            spec.core().unwrap().modules,
            ["biosdisk", "part_msdos", "ext2"]
        );
        let iso = CoreSpec {
            file_system: "iso9660",
            partition_table: "gpt",
            ..spec
        }
        .core()
        .unwrap();
        assert_eq!(
            (iso.format.as_str(), iso.modules.len()),
            ("i386-pc-eltorito", 3)
        );
        assert!(
            CoreSpec {
                file_system: "vfat",
                ..spec
            }
            .core()
            .is_err()
        );
    }

    #[test]
    fn prefixes_name_the_partition() {
        assert_eq!(partition_prefix("gpt", 1, "/boot/"), "(,gpt1)/boot/");
        assert_eq!(partition_prefix("mbr", 2, "grub2"), "(,msdos2)/grub2");
    }

    #[test]
    fn a_file_system_is_named_by_the_first_that_is_given() {
        let fs = FileSystem {
            uuid: Some(String::new()),
            label: Some("r".into()),
            device: None,
        };
        assert_eq!(
            (fs.root("rootfs").unwrap(), fs.search("rootfs").unwrap()),
            ("LABEL=r".into(), "--label r".into())
        );
        assert!(FileSystem::default().root("rootfs").is_err());
    }
}
