//! The menu of GRUB.
use super::{Kernel, Product};
use crate::quoting::{grub_words, single_quoted};
use osbuild_stage::Result;
use serde::Deserialize;

const CLASSES: &str = "--class fedora --class gnu-linux --class gnu --class os";

/// What starts GRUB; the menus differ in a few lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Firmware {
    /// UEFI.
    Efi,
    /// A BIOS.
    Bios,
}

/// The options of a menu.
#[derive(Debug, Clone, Deserialize)]
pub struct Menu {
    /// What is installed.
    pub product: Product,
    /// The kernel.
    pub kernel: Kernel,
    /// Label of the medium.
    pub isolabel: String,
    /// Offer an installation in FIPS mode.
    #[serde(default)]
    pub fips: bool,
    /// Offer the submenu for trouble.
    troubleshooting: Option<bool>,
    /// Offer a check of the medium.
    test: Option<bool>,
    /// Offer the installation.
    install: Option<bool>,
    /// Further entries.
    #[serde(default)]
    custom: Vec<Custom>,
    /// Time-out and choice.
    #[serde(default)]
    config: Config,
}

#[derive(Debug, Clone, Deserialize)]
struct Custom {
    name: String,
    linux: String,
    initrd: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
struct Config {
    timeout: Option<u64>,
    default: Option<i64>,
}

impl Menu {
    /// The text of grub.cfg.
    pub fn render(&self, firmware: Firmware) -> Result<String> {
        self.check()?;
        let choice = self.config.default;
        let choice = choice.map_or(String::new(), |choice| {
            format!("\nset default=\"{choice}\"")
        });
        let entries = [
            self.custom.iter().map(|entry| self.custom(entry)).collect(),
            self.when(self.install.unwrap_or(true), self.install()),
            self.when(self.test.unwrap_or(true), self.test()),
            self.when(self.fips, self.fips()),
            self.when(self.troubleshooting.unwrap_or(true), self.trouble(firmware)),
        ];
        Ok(format!(
            "{choice}
function load_video {{
{video}}}

load_video
set gfxpayload=keep
insmod gzio
insmod part_gpt
insmod ext2
{chain}
set timeout={timeout}
### END /etc/grub.d/00_header ###

search --no-floppy --set=root -l '{label}'

{entries}
",
            video = match firmware {
                Firmware::Efi =>
                    "  insmod efi_gop\n  insmod efi_uga\n  insmod video_bochs\n  insmod video_cirrus\n  insmod all_video\n",
                Firmware::Bios => "  insmod all_video\n",
            },
            chain = if firmware == Firmware::Bios {
                "insmod chain\n"
            } else {
                ""
            },
            timeout = self.timeout(),
            label = self.isolabel,
            entries = entries.join("\n"),
        ))
    }

    /// GRUB runs what is not within quotes, and quotes end where a value ends them.
    fn check(&self) -> Result<()> {
        for (option, text) in [
            ("product.name", &self.product.name),
            ("product.version", &self.product.version),
            ("isolabel", &self.isolabel),
        ] {
            single_quoted(option, text)?;
            grub_words(option, text)?;
        }
        grub_words("kernel.opts", &self.kernel.arguments())?;
        grub_words("kernel.dir", self.kernel.directory())?;
        for custom in &self.custom {
            single_quoted("custom", &self.expand(&custom.name))?;
            grub_words("custom", &self.expand(&custom.linux))?;
            grub_words("custom", &self.expand(&custom.initrd))?;
        }
        Ok(())
    }

    fn when(&self, wanted: bool, entry: String) -> String {
        if wanted { entry } else { String::new() }
    }

    fn timeout(&self) -> u64 {
        self.config.timeout.unwrap_or(60)
    }

    fn kernel_path(&self) -> String {
        format!("{}/vmlinuz", self.kernel.directory())
    }

    fn initrd_path(&self) -> String {
        format!("{}/initrd.img", self.kernel.directory())
    }

    fn title(&self) -> String {
        format!("{} {}", self.product.name, self.product.version)
    }

    /// An entry that starts the kernel with the medium's arguments and `more`.
    fn entry(&self, title: &str, more: &str, indent: &str) -> String {
        let linux = format!("{} {} {more}", self.kernel_path(), self.kernel.arguments());
        entry(title, &linux, &self.initrd_path(), indent)
    }

    fn install(&self) -> String {
        self.entry(&format!("Install {}", self.title()), "quiet", "")
    }

    fn test(&self) -> String {
        let title = format!("Test this media & install {}", self.title());
        self.entry(&title, "rd.live.check quiet", "")
    }

    fn fips(&self) -> String {
        let title = format!("Install {} in FIPS mode", self.title());
        self.entry(&title, "quiet fips=1", "") + "\n"
    }

    fn trouble(&self, firmware: Firmware) -> String {
        let graphics = format!("Install {} in basic graphics mode", self.title());
        let rescue = format!("Rescue a {} system", self.product.name);
        let local = match firmware {
            Firmware::Efi => String::new(),
            Firmware::Bios => format!(
                "\n\tmenuentry 'Boot first drive' {CLASSES} {{\n\t\tchainloader (hd0)+1\n\t}}"
            ),
        };
        format!(
            "\nsubmenu 'Troubleshooting -->' {{{}{}{local}\n}}",
            self.entry(&graphics, "nomodeset quiet", "\t"),
            self.entry(&rescue, "inst.rescue quiet", "\t"),
        )
    }

    fn custom(&self, custom: &Custom) -> String {
        entry(
            &self.expand(&custom.name),
            &self.expand(&custom.linux),
            &self.expand(&custom.initrd),
            "",
        )
    }

    fn variable(&self, name: &str) -> Option<String> {
        Some(match name {
            "version" => self.product.version.clone(),
            "product" => self.product.name.clone(),
            "kernelpath" => self.kernel_path(),
            "initrdpath" => self.initrd_path(),
            "isolabel" => self.isolabel.clone(),
            "root" => self.kernel.arguments(),
            "timeout" => self.timeout().to_string(),
            _ => return None,
        })
    }

    /// Replaces `${NAME}` and `$NAME`; unknown names stay, `$$` is a `$`.
    fn expand(&self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            out += &rest[..at];
            rest = &rest[at + 1..];
            let (name, used) = match rest.strip_prefix('{') {
                Some(inner) => inner
                    .find('}')
                    .map_or(("", 0), |end| (&inner[..end], end + 2)),
                None => {
                    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
                    let end = rest.find(|c| !word(c)).unwrap_or(rest.len());
                    (&rest[..end], end)
                }
            };
            if let Some(value) = self.variable(name) {
                out += &value;
                rest = &rest[used..];
            } else {
                out.push('$');
                rest = rest.strip_prefix('$').unwrap_or(rest);
            }
        }
        out + rest
    }
}

fn entry(title: &str, linux: &str, initrd: &str, indent: &str) -> String {
    format!(
        "\n{indent}menuentry '{title}' {CLASSES} {{\n{indent}\tlinux {linux}\n{indent}\tinitrd {initrd}\n{indent}}}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn menu(more: &str) -> Menu {
        let text = format!(
            r#"{{"product": {{"name": "P", "version": "9"}}, "kernel": {{"dir": "/k", "opts": ["a", "b"]}}, "isolabel": "L"{more}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn entries_can_be_left_out() {
        let text = menu(r#", "install": false, "troubleshooting": false"#)
            .render(Firmware::Efi)
            .unwrap();
        assert_eq!(text.matches("menuentry").count(), 1);
        assert!(
            text.contains("\tlinux /k/vmlinuz a b rd.live.check quiet\n\tinitrd /k/initrd.img\n}")
        );
        assert!(text.starts_with("\nfunction load_video") && text.contains("set timeout=60\n"));
    }

    #[test]
    fn a_bios_can_boot_the_first_drive() {
        let text = menu(r#", "config": {"default": 0}"#)
            .render(Firmware::Bios)
            .unwrap();
        assert!(
            text.contains("\t\tchainloader (hd0)+1\n\t}\n}") && text.contains("insmod chain\n")
        );
        assert!(text.starts_with("\nset default=\"0\"\nfunction"));
        assert!(
            !menu("")
                .render(Firmware::Efi)
                .unwrap()
                .contains("chainloader")
        );
    }

    #[test]
    fn variables_of_custom_entries_are_expanded_once() {
        let menu = menu("");
        assert_eq!(
            menu.expand("${product} $version $$1 ${nope} $root $ {"),
            "P 9 $1 ${nope} a b $ {"
        );
    }
}
