//! `osbuild-wasm completions` and `osbuild-wasm man`: made from the same description as the command line itself.
use crate::Cli;
use crate::exit::{Exit, fail, say};
use clap::{Args, CommandFactory};
use clap_complete::Shell;
use osbuild_wasm_report::Diagnostic;
use std::path::PathBuf;

const COMPLETIONS: &str = "\
Examples:
  osbuild-wasm completions bash > /usr/share/bash-completion/completions/osbuild-wasm
  osbuild-wasm completions fish > ~/.config/fish/completions/osbuild-wasm.fish";

/// Print completions for a shell
#[derive(Debug, Args)]
#[command(after_help = COMPLETIONS)]
pub(crate) struct CompletionsArguments {
    /// The shell
    shell: Shell,
}

/// Write manual pages, one for each subcommand
#[derive(Debug, Args)]
pub(crate) struct ManArguments {
    /// Directory for the pages; made when missing
    directory: PathBuf,
}

pub(crate) fn completions(arguments: &CompletionsArguments) -> Exit {
    let mut script = Vec::new();
    let mut command = Cli::command();
    let name = command.get_name().to_owned();
    clap_complete::generate(arguments.shell, &mut command, name, &mut script);
    say(&String::from_utf8_lossy(&script));
    Exit::Done
}

pub(crate) fn man(arguments: &ManArguments) -> Exit {
    let directory = &arguments.directory;
    let written = std::fs::create_dir_all(directory)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), directory));
    match written {
        Ok(()) => Exit::Done,
        Err(error) => {
            let message = format!("cannot write manual pages to {}", directory.display());
            let diagnostic = Diagnostic::new(message).cause(error.to_string());
            fail(Exit::Failed, false, &diagnostic)
        }
    }
}
