//! `osbuild-wasm completions` and `osbuild-wasm man`: made from the same description as the command line itself.
use crate::Cli;
use crate::exit::{Exit, fail, say};
use clap::{Args, CommandFactory};
use clap_complete::Shell;
use osbuild_wasm_files::resolve::make_directory;
use osbuild_wasm_files::write_file;
use osbuild_wasm_manifest::catalogue::Catalogue;
use osbuild_wasm_report::{Diagnostic, manual};
use std::io;
use std::path::{Path, PathBuf};

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

/// Write manual pages: section 1 has one for each subcommand, section 7 one for each module
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
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let modules = manual::entries(&Catalogue::builtin());
    let written = make_directory(directory).and_then(|_| {
        pages(command, directory)?;
        modules.iter().try_for_each(|entry| {
            let path = directory.join(format!("{}.7", entry.name));
            write_file(&path, manual::roff(entry).as_bytes())
        })
    });
    match written {
        Ok(()) => Exit::Done,
        Err(error) => {
            let message = format!("cannot write manual pages to {}", directory.display());
            let diagnostic = Diagnostic::new(message).cause(error.to_string());
            fail(Exit::Failed, false, &diagnostic)
        }
    }
}

/// Writes the page of a command and those of all below it.
fn pages(command: clap::Command, directory: &Path) -> io::Result<()> {
    for below in command
        .get_subcommands()
        .filter(|below| !below.is_hide_set())
    {
        pages(below.clone(), directory)?;
    }
    let page = clap_mangen::Man::new(command);
    let mut text = Vec::new();
    page.render(&mut text)?;
    write_file(&directory.join(page.get_filename()), &text)
}
