//! Set up isolinux for an installer medium.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Context, Result, Tree, bail, path};
use osbuild_stage_common::installer::{Kernel, Product, isolinux_menu};
use serde::Deserialize;
use std::process::ExitCode;

const SYSLINUX: &str = "usr/share/syslinux";
const SPLASH: &str = "usr/share/anaconda/boot/syslinux-splash.png";
const MODULES: [&str; 4] = ["ldlinux.c32", "libcom32.c32", "libutil.c32", "vesamenu.c32"];

#[derive(Deserialize)]
struct Options {
    product: Product,
    kernel: Kernel,
    #[serde(default)]
    fips: bool,
    #[serde(default)]
    debug: bool,
}

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(&[], |arguments: Arguments<Options>| -> Result<()> {
        let (tree, options) = (&arguments.tree, &arguments.options);
        let data = arguments.input("data")?.tree();
        let Some(directory) = &options.kernel.dir else {
            bail!("options.kernel: `dir` is missing");
        };
        tree.create_dir("isolinux")?;
        copy(&data, SPLASH, tree, "isolinux/splash.png", 0o644)?;
        let loader = if options.debug {
            "isolinux-debug.bin"
        } else {
            "isolinux.bin"
        };
        let files = MODULES.iter().map(|name| (*name, *name));
        for (from, to) in files.chain([(loader, "isolinux.bin")]) {
            let to = format!("isolinux/{to}");
            copy(&data, &format!("{SYSLINUX}/{from}"), tree, &to, 0o755)?;
        }
        let menu = isolinux_menu(&options.product, &options.kernel.arguments(), options.fips);
        tree.write("isolinux/isolinux.cfg", menu)?;
        ["vmlinuz", "initrd.img"].iter().try_for_each(|name| {
            tree.hard_link(&path::join(directory, name), &format!("isolinux/{name}"))
        })
    })
}

fn copy(data: &Tree, from: &str, tree: &Tree, to: &str, mode: u32) -> Result<()> {
    let content = data
        .read(from)
        .with_context(|| format!("the input needs /{from}"))?;
    tree.write_with_mode(to, content, mode)
}
