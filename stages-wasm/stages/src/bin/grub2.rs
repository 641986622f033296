//! Write a GRUB configuration for boot loader entries, its environment and defaults; optionally copy modules and EFI programs.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Error, Result, Tree};
use osbuild_stage_common::grub::{self, Defaults, FileSystem, Terminals};
use serde::Deserialize;
use serde_json::Value;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    compat_version: Option<u32>,
    rootfs: Option<FileSystem>,
    bootfs: Option<FileSystem>,
    root_fs_uuid: Option<String>,
    boot_fs_uuid: Option<String>,
    #[serde(default)]
    kernel_opts: String,
    legacy: Option<Value>,
    uefi: Option<Uefi>,
    saved_entry: Option<String>,
    write_defaults: Option<bool>,
    write_cmdline: Option<bool>,
    #[serde(default)]
    ignition: bool,
    #[serde(default)]
    greenboot: bool,
    #[serde(default)]
    config: Config,
}

#[derive(Deserialize)]
struct Uefi {
    vendor: String,
    efi_src_dir: Option<String>,
    #[serde(default)]
    install: bool,
    #[serde(default)]
    unified: bool,
}

#[derive(Deserialize, Default)]
struct Config {
    default: Option<String>,
    disable_recovery: Option<bool>,
    disable_submenu: Option<bool>,
    #[serde(default)]
    distributor: String,
    #[serde(default)]
    timeout: u64,
    #[serde(default)]
    timeout_style: String,
    #[serde(flatten)]
    terminals: Terminals,
}

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(&["serial"], |arguments: Arguments<Options>| {
        let (tree, options) = (&arguments.tree, &arguments.options);
        let platform = platform(options.legacy.as_ref())?;
        let redirected = options
            .uefi
            .as_ref()
            .is_some_and(|uefi| uefi.unified || platform.is_some());
        let root = file_system(&options.rootfs, &options.root_fs_uuid)
            .ok_or_else(|| Error::new("one of `rootfs` and `root_fs_uuid` is needed"))?;
        let boot = file_system(&options.bootfs, &options.boot_fs_uuid);
        let home = grub::home(boot.is_some());

        if options.write_defaults.unwrap_or(true) {
            defaults(options).write(tree)?;
        }
        tree.create_dir_all("boot/grub2")?;
        if options.uefi.is_some() && platform.is_some() {
            tree.remove_if_exists("boot/grub2/grubenv")?;
        }
        tree.write("boot/grub2/grubenv", environment(options, &root)?)?;
        let mut config = "boot/grub2/grub.cfg".to_owned();
        if let Some(uefi) = &options.uefi {
            let efi_config = install_uefi(tree, uefi)?;
            match redirected {
                true => tree.write(&efi_config, redirect(home))?,
                false => config = efi_config,
            }
        }
        tree.write(
            &config,
            main_config(options, boot.as_ref().unwrap_or(&root), home)?,
        )?;
        platform.map_or(Ok(()), |platform| grub::copy_modules(tree, &platform))
    })
}

/// The BIOS platform: `true` means the PC.
fn platform(legacy: Option<&Value>) -> Result<Option<String>> {
    match legacy {
        None | Some(Value::Null | Value::Bool(false)) => Ok(None),
        Some(Value::Bool(true)) => Ok(Some("i386-pc".into())),
        Some(Value::String(name)) => Ok(Some(name.clone()).filter(|name| !name.is_empty())),
        Some(other) => Err(Error::new(format!(
            "options.legacy: expected true, false or a platform, not {other}"
        ))),
    }
}

fn file_system(given: &Option<FileSystem>, uuid: &Option<String>) -> Option<FileSystem> {
    given
        .clone()
        .or_else(|| uuid.as_deref().map(FileSystem::with_uuid))
}

fn defaults(options: &Options) -> Defaults {
    let config = &options.config;
    let style = Some(&config.timeout_style).filter(|style| !style.is_empty());
    Defaults::default()
        .cmdline(&options.kernel_opts)
        .plain("TIMEOUT", config.timeout)
        .plain("ENABLE_BLSCFG", true)
        .given("DISABLE_RECOVERY", config.disable_recovery)
        .given("DISABLE_SUBMENU", config.disable_submenu)
        .quoted_if_given("DISTRIBUTOR", &config.distributor)
        .terminals(&config.terminals)
        .given("TIMEOUT_STYLE", style)
        .given("DEFAULT", config.default.as_ref())
}

fn environment(options: &Options, root: &FileSystem) -> Result<String> {
    let mut lines = Vec::new();
    if options.write_cmdline.unwrap_or(true) {
        lines.push(format!(
            "kernelopts=root={} {}",
            root.root("rootfs")?,
            options.kernel_opts
        ));
    }
    if let Some(entry) = options
        .saved_entry
        .as_ref()
        .filter(|entry| !entry.is_empty())
    {
        lines.push(format!("saved_entry={entry}"));
    }
    grub::environment(&lines)
}

/// Copies the EFI programs when asked to; returns the path of the vendor's configuration.
fn install_uefi(tree: &Tree, uefi: &Uefi) -> Result<String> {
    if uefi.install {
        grub::copy_efi(
            tree,
            uefi.efi_src_dir.as_deref().unwrap_or("/boot/efi/EFI"),
            &uefi.vendor,
        )?;
    }
    Ok(format!("boot/efi/EFI/{}/grub.cfg", uefi.vendor))
}

fn redirect(home: &str) -> String {
    format!(
        "
search --no-floppy --set prefix --file {home}grub2/grub.cfg
set prefix=($prefix){home}grub2
configfile $prefix/grub.cfg
"
    )
}

fn main_config(options: &Options, grub_fs: &FileSystem, home: &str) -> Result<String> {
    let mut features = Vec::new();
    if options.ignition {
        features.push(ignition(home));
    }
    if options.greenboot {
        features.push(GREENBOOT.into());
    }
    let placeholders = options.compat_version.unwrap_or(1) < 2;
    Ok(format!(
        "{}search --no-floppy --set=root {}
set boot=${{root}}
function load_video {{
  insmod all_video
}}
{}{}
blscfg
",
        grub::config_head(options.config.timeout),
        grub_fs.search("rootfs or bootfs")?,
        features.join("\n"),
        options.config.terminals.commands(placeholders)?,
    ))
}

/// Kernel arguments for the first boot, as Fedora CoreOS has them.
fn ignition(home: &str) -> String {
    format!(
        "
# On the first boot Ignition runs; its stamp file may bring network arguments.
set ignition_firstboot=\"\"
if [ -f \"{home}ignition.firstboot\" ]; then
    # without arguments in the stamp file there are none
    set ignition_network_kcmdline=''

    source \"{home}ignition.firstboot\"

    set ignition_firstboot=\"ignition.firstboot ${{ignition_network_kcmdline}}\"
fi
"
    )
}

/// Counts boots down until one succeeded, then falls back to the second entry.
const GREENBOOT: &str = r#"
insmod increment
# only while boots are counted and the last one did not succeed
if [ -n "${boot_counter}" -a "${boot_success}" = "0" ]; then
  if [ "${boot_counter}" = "0" -o "${boot_counter}" = "-1" ]; then
    set default=1
    set boot_counter=-1
  else
    decrement boot_counter
  fi
  save_env boot_counter
fi
set boot_success=0
save_env boot_success
"#;
