//! Set up GRUB for the BIOS, with its grub.cfg, for an installer medium.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Context, CopyOptions, Result, Tree, bail, path};
use osbuild_stage_common::installer::{Firmware, Menu};
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    #[serde(flatten)]
    menu: Menu,
    grub2dir: Option<String>,
    platform: Option<String>,
}

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(&[], |arguments: Arguments<Options>| -> Result<()> {
        let (tree, options) = (&arguments.tree, &arguments.options);
        if options.menu.kernel.opts.is_none() {
            bail!("options.kernel: `opts` is missing");
        }
        let given = options.grub2dir.as_deref().filter(|name| !name.is_empty());
        let directory = given.unwrap_or("boot/grub2");
        copy_modules(
            tree,
            directory,
            options.platform.as_deref().unwrap_or("i386-pc"),
        )?;
        tree.write(
            &path::join(directory, "grub.cfg"),
            options.menu.render(Firmware::Bios)?,
        )
    })
}

/// All that GRUB has for a platform in the build root.
fn copy_modules(tree: &Tree, directory: &str, platform: &str) -> Result<()> {
    let (from, to) = (
        format!("/usr/lib/grub/{platform}"),
        path::join(directory, platform),
    );
    let how = CopyOptions {
        remove_destination: false,
        follow: true,
    };
    tree.create_dir_all(&to)?;
    Tree::contract()
        .copy(&format!("{from}/."), &tree.path(&to), how)
        .with_context(|| format!("cannot copy {from} of the build root"))
}
