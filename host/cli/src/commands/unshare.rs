//! `osbuild-wasm unshare`.
use crate::command_error::{CommandError, Exit, Result};
use crate::commands::Command;
use clap::Args;
use osbuild_wasm_build::enter_user_namespace;
use osbuild_wasm_report::Diagnostic;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command as Process;

const EXAMPLES: &str = "\
Examples:
  # Remove a store; many of its files belong to subordinate ids, which the user alone may not touch
  osbuild-wasm unshare rm -rf .osbuild

  # Look at an exported tree with the owners that the image has
  osbuild-wasm unshare ls -ln out/tree/home";

/// Run a program in the user namespace that an ordinary user's builds have: there the user is root of what they made
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct UnshareArguments {
    /// The program and its arguments
    #[arg(
        value_name = "PROGRAM",
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    words: Vec<OsString>,
}

impl Command for UnshareArguments {
    fn run(self) -> Result {
        enter_user_namespace()?;
        // clap has seen to it that there is a program.
        let [program, rest @ ..] = self.words.as_slice() else {
            return Ok(Exit::Invalid);
        };
        let error = Process::new(program).args(rest).exec();
        let message = format!("{}: {error}", program.display());
        Err(CommandError::failed(Diagnostic::new(message)))
    }
}
