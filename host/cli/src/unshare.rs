//! `osbuild-wasm unshare`.
use crate::exit::{Exit, fail};
use clap::Args;
use osbuild_wasm_build::enter_user_namespace;
use osbuild_wasm_report::Diagnostic;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

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

pub(crate) fn unshare(arguments: &UnshareArguments) -> Exit {
    let failed = |diagnostic| fail(Exit::Failed, false, &diagnostic);
    if let Err(error) = enter_user_namespace() {
        return failed(Diagnostic::from_error(&error));
    }
    let [program, rest @ ..] = arguments.words.as_slice() else {
        return Exit::Invalid;
    };
    let error = Command::new(program).args(rest).exec();
    failed(Diagnostic::new(format!("{}: {error}", program.display())))
}
