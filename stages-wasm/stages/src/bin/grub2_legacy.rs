//! Write a GRUB configuration with explicit menu entries.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Result, bail};
use osbuild_stage_common::grub::{self, Defaults, FileSystem, Terminals};
use osbuild_stage_common::quoting::{grub_word, grub_words, single_quoted};
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    rootfs: FileSystem,
    bootfs: Option<FileSystem>,
    bios: Option<Bios>,
    uefi: Option<Uefi>,
    write_defaults: Option<bool>,
    entries: Vec<Entry>,
    #[serde(default)]
    config: Config,
}

#[derive(Deserialize)]
struct Bios {
    platform: String,
}

#[derive(Deserialize)]
struct Uefi {
    vendor: String,
    #[serde(default)]
    install: bool,
}

#[derive(Deserialize)]
struct Entry {
    id: String,
    kernel: String,
    product: Product,
    #[serde(default)]
    default: bool,
}

#[derive(Deserialize)]
struct Product {
    name: String,
    #[serde(default)]
    nick: String,
    version: String,
}

#[derive(Deserialize, Default)]
struct Config {
    #[serde(default)]
    cmdline: String,
    default: Option<String>,
    disable_recovery: Option<bool>,
    disable_submenu: Option<bool>,
    #[serde(default)]
    distributor: String,
    #[serde(default)]
    timeout: u64,
    timeout_style: Option<String>,
    #[serde(flatten)]
    terminals: Terminals,
}

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(&["serial"], |arguments: Arguments<Options>| {
        let (tree, options) = (&arguments.tree, &arguments.options);
        if options.write_defaults.unwrap_or(true) {
            defaults(&options.config).write(tree)?;
        }
        tree.create_dir_all("boot/grub2")?;
        tree.write("boot/grub2/grubenv", environment(&options.entries)?)?;
        let platform = options.bios.as_ref().map(|bios| bios.platform.as_str());
        if let Some(uefi) = &options.uefi {
            if uefi.install {
                grub::copy_efi(tree, "/boot/efi/EFI", &uefi.vendor)?;
            }
            // Without a BIOS platform beside it the firmware is that of a PC, too.
            let suffix = if platform.unwrap_or("i386-pc") == "i386-pc" {
                "efi"
            } else {
                ""
            };
            tree.write(
                &format!("boot/efi/EFI/{}/grub.cfg", uefi.vendor),
                config(options, suffix)?,
            )?;
        }
        if let Some(platform) = platform {
            let suffix = if platform == "i386-pc" { "16" } else { "" };
            tree.write("boot/grub2/grub.cfg", config(options, suffix)?)?;
            grub::copy_modules(tree, platform)?;
        }
        Ok(())
    })
}

fn defaults(config: &Config) -> Defaults {
    Defaults::default()
        .plain("TIMEOUT", config.timeout)
        .cmdline(&config.cmdline)
        .plain("DISABLE_SUBMENU", config.disable_submenu.unwrap_or(true))
        .plain("DISABLE_RECOVERY", config.disable_recovery.unwrap_or(true))
        .plain(
            "TIMEOUT_STYLE",
            config.timeout_style.as_deref().unwrap_or("countdown"),
        )
        .plain("DEFAULT", config.default.as_deref().unwrap_or("saved"))
        .quoted_if_given("DISTRIBUTOR", &config.distributor)
        .terminals(&config.terminals)
}

fn environment(entries: &[Entry]) -> Result<String> {
    let mut defaults = entries.iter().filter(|entry| entry.default);
    let saved = defaults.next();
    if let Some(second) = defaults.next() {
        bail!(
            "several entries are the default: {} and {}",
            saved.map_or("", |entry| &entry.id),
            second.id
        );
    }
    // The `$` is osbuild's; GRUB takes the first entry when no id matches.
    let lines = saved.map(|entry| {
        format!(
            "saved_entry=gnulinux-${}-advanced-{}",
            entry.kernel, entry.id
        )
    });
    grub::environment(&lines.into_iter().collect::<Vec<_>>())
}

/// The configuration; `suffix` is that of the loader's commands `linux` and `initrd`.
fn config(options: &Options, suffix: &str) -> Result<String> {
    let mut text = String::from("\n# written by osbuild-wasm\n");
    text += &grub::config_head(options.config.timeout);
    text += SAVED_ENTRY;
    text += &options.config.terminals.commands(true)?;
    text.push('\n');
    for entry in &options.entries {
        text += &menu_entry(options, entry, suffix)?;
    }
    text.push('\n');
    Ok(text)
}

/// Remembers the chosen entry, except after a boot that was for one time only.
const SAVED_ENTRY: &str = r#"if [ "${prev_saved_entry}" ]; then
  set saved_entry="${prev_saved_entry}"
  save_env saved_entry
  set prev_saved_entry=
  save_env prev_saved_entry
  set boot_once=true
fi

function savedefault {
  if [ -z "${boot_once}" ]; then
    saved_entry="${chosen}"
    save_env saved_entry
  fi
}
"#;

fn menu_entry(options: &Options, entry: &Entry, suffix: &str) -> Result<String> {
    let (kernel, product) = (&entry.kernel, &entry.product);
    let nick = if product.nick.is_empty() {
        String::new()
    } else {
        format!(" ({})", product.nick)
    };
    let title = format!("{} ({kernel}) {}{nick}", product.name, product.version);
    let home = grub::home(options.bootfs.is_some());
    let search = options
        .bootfs
        .as_ref()
        .unwrap_or(&options.rootfs)
        .search("rootfs or bootfs")?;
    let root = options.rootfs.root("rootfs")?;
    let cmdline = &options.config.cmdline;
    grub_words("config.cmdline", cmdline)?;
    for text in [&title, kernel, &entry.id] {
        single_quoted("entries", text)?;
    }
    grub_word("entries.kernel", kernel)?;
    Ok(format!(
        "
menuentry '{title}' --class red --class gnu-linux --class gnu --class os --unrestricted --id 'gnulinux-{kernel}-advanced-{}' {{
\tinsmod all_video
\tset gfxpayload=keep
\tsearch --no-floppy --set=root {search}
\tlinux{suffix} {home}vmlinuz-{kernel} root={root} {cmdline}
\tinitrd{suffix} {home}initramfs-{kernel}.img
}}
",
        entry.id
    ))
}
