//! Write the configuration of zipl.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Number, Result};
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    timeout: Option<Number>,
}

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(&[], |arguments: Arguments<Options>| -> Result<()> {
        let timeout = arguments.options.timeout.unwrap_or_else(|| 0.into());
        arguments.tree.create_dir_all("etc")?;
        arguments.tree.write(
            "etc/zipl.conf",
            format!("[defaultboot]\ndefaultauto\nprompt=1\ntimeout={timeout}\ntarget=/boot\n"),
        )
    })
}
