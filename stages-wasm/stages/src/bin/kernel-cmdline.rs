//! Write etc/kernel/cmdline.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Result, bail};
use osbuild_stage_common::fields::word;
use serde::Deserialize;
use std::process::ExitCode;

/// What the kernels of x86_64, aarch64 and POWER take. A component does not know the machine, and need not: for others say
/// `kernel_cmdline_size`.
const USUAL_LIMIT: usize = 2048;

#[derive(Deserialize)]
struct Options {
    root_fs_uuid: Option<String>,
    #[serde(default)]
    kernel_opts: String,
    kernel_cmdline_size: Option<usize>,
}

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(&[], |arguments: Arguments<Options>| -> Result<()> {
        if let Some(uuid) = &arguments.options.root_fs_uuid
            && !uuid.is_empty()
        {
            word("root_fs_uuid", uuid)?;
        }
        let text = cmdline(&arguments.options);
        let limit = arguments.options.kernel_cmdline_size.unwrap_or(USUAL_LIMIT);
        if text.chars().count() > limit {
            bail!("The size of the kernel cmdline options cannot be larger than {limit}");
        }
        arguments.tree.create_dir_all("etc/kernel")?;
        arguments.tree.write("etc/kernel/cmdline", text)
    })
}

fn cmdline(options: &Options) -> String {
    let root = options
        .root_fs_uuid
        .as_ref()
        .filter(|uuid| !uuid.is_empty())
        .map(|uuid| format!("root=UUID={uuid}"));
    let rest = Some(options.kernel_opts.clone()).filter(|rest| !rest.is_empty());
    root.into_iter().chain(rest).collect::<Vec<_>>().join(" ")
}
