//! `osbuild-wasm completions`, made from the same description as the command line itself.
use crate::Cli;
use crate::command_error::{Exit, Result};
use crate::commands::Command;
use crate::print::say;
use clap::{Args, CommandFactory};
use clap_complete::Shell;

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

impl Command for CompletionsArguments {
    fn run(self) -> Result {
        let mut script = Vec::new();
        let mut command = Cli::command();
        let name = command.get_name().to_owned();
        clap_complete::generate(self.shell, &mut command, name, &mut script);
        say(&String::from_utf8_lossy(&script));
        Ok(Exit::Done)
    }
}
