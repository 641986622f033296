//! Build a unified kernel image.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Command, Result, Tree};
use osbuild_stage_common::uki::Layout;
use serde::Deserialize;
use std::process::ExitCode;

const STUB: &str = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub";

#[derive(Deserialize)]
struct Options {
    filename: String,
    #[serde(default)]
    kernel: Kernel,
}

#[derive(Deserialize, Default)]
struct Kernel {
    opts: Vec<String>,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| -> Result<()> {
        let (tree, options) = (&arguments.tree, &arguments.options);
        let command_line = format!("{}.cmdline", options.filename);
        tree.write_new(&command_line, options.kernel.opts.join(" "))?;
        let built = build(&arguments, &tree.path(&command_line));
        tree.remove(&command_line)?;
        built
    })
}

/// Adds the sections behind those of systemd's stub.
fn build(arguments: &Arguments<Options>, command_line: &str) -> Result<()> {
    let host = Tree::contract();
    let mut layout = Layout::behind(&host.read(STUB)?)?;
    let input = |name| arguments.input(name)?.single_file();
    let sections = [
        (".osrel", input("osrel")?),
        (".cmdline", command_line.to_owned()),
        (".linux", input("kernel")?),
        (".initrd", input("initrd")?),
    ];
    let mut command = Command::new("objcopy");
    for (name, file) in sections {
        let address = layout.place(host.stat(&file)?.size);
        command = command
            .args(["--add-section", &format!("{name}={file}")])
            .args(["--change-section-vma", &format!("{name}={address}")]);
    }
    command
        .args([STUB, &arguments.tree.path(&arguments.options.filename)])
        .run()
}
