//! Set up EFI/BOOT with its grub.cfg for an installer medium.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Result, bail};
use osbuild_stage_common::installer::{self, Firmware, Menu};
use serde::Deserialize;
use std::process::ExitCode;

const DIRECTORY: &str = "EFI/BOOT";

#[derive(Deserialize)]
struct Options {
    #[serde(flatten)]
    menu: Menu,
    architectures: Vec<String>,
    vendor: String,
}

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(&[], |arguments: Arguments<Options>| -> Result<()> {
        let (tree, options) = (&arguments.tree, &arguments.options);
        if options.menu.kernel.opts.is_none() {
            bail!("options.kernel: `opts` is missing");
        }
        installer::boot_directory(tree, &options.vendor, &options.architectures)?;
        let config = options.menu.render(Firmware::Efi)?;
        tree.write(&format!("{DIRECTORY}/grub.cfg"), &config)?;
        if options.architectures.iter().any(|name| name == "IA32") {
            tree.write(&format!("{DIRECTORY}/BOOT.cfg"), &config)?;
        }
        Ok(())
    })
}
