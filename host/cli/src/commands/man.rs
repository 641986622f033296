//! `osbuild-wasm man`, made from the same description as the command line itself.
use crate::command_error::{CommandError, Exit, Result};
use crate::commands::{Command, DOCUMENTED, command_line};
use clap::Args;
use osbuild_wasm_files::resolve::make_directory;
use osbuild_wasm_files::write_file;
use osbuild_wasm_manifest::catalogue::Catalogue;
use osbuild_wasm_report::{Diagnostic, manual};
use std::io;
use std::path::{Path, PathBuf};

/// Write manual pages: section 1 has one for each subcommand and for image-builder's and bootc-image-builder's, section 7 one for each module
#[derive(Debug, Args)]
pub(crate) struct ManArguments {
    /// Directory for the pages; made when missing
    directory: PathBuf,
}

impl Command for ManArguments {
    fn run(self) -> Result {
        for name in DOCUMENTED {
            write_pages(command_line(name)?, &self.directory)?;
        }
        write_modules(&self.directory).map_err(|error| cannot_write(&self.directory, &error))?;
        Ok(Exit::Done)
    }
}

fn cannot_write(directory: &Path, error: &io::Error) -> CommandError {
    let message = format!("cannot write manual pages to {}", directory.display());
    CommandError::failed(Diagnostic::new(message).cause(error.to_string()))
}

/// Writes the pages of a command line and of all its subcommands into a directory, which is made when missing.
pub(crate) fn write_pages(command: clap::Command, directory: &Path) -> Result {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let made = make_directory(directory).and_then(|_| pages(command, directory));
    made.map_err(|error| cannot_write(directory, &error))?;
    Ok(Exit::Done)
}

/// Writes the pages of all modules.
fn write_modules(directory: &Path) -> io::Result<()> {
    for entry in manual::entries(&Catalogue::builtin()) {
        let path = directory.join(format!("{}.7", entry.name));
        write_file(&path, manual::roff(&entry).as_bytes())?;
    }
    Ok(())
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
