//! `osbuild-wasm stage manual`.
use crate::command_error::{CommandError, Exit, Result};
use crate::commands::Command;
use crate::components::{catalogue, registry};
use crate::print::say;
use clap::{Args, ValueEnum};
use osbuild_wasm_report::{Diagnostic, manual};
use std::path::PathBuf;

/// Print the manual of all modules with their options, or of those of one name
#[derive(Debug, Args)]
pub(crate) struct ManualArguments {
    /// Module name, e.g. org.osbuild.mkdir; default: all
    name: Option<String>,
    /// Form of the manual
    #[arg(long, default_value = "markdown")]
    format: ManualFormat,
    /// Directory with plugins (`*.wasm`)
    #[arg(short, long, value_name = "DIR")]
    libdir: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ManualFormat {
    Markdown,
    /// One page without script
    Html,
    /// Manual pages of section 7, one after the other
    Man,
}

impl Command for ManualArguments {
    fn run(self) -> Result {
        let registry = registry(self.libdir.as_ref())?;
        let catalogue = catalogue(&registry, self.libdir.as_deref());
        let mut entries = manual::entries(&catalogue);
        if let Some(name) = &self.name {
            entries.retain(|entry| entry.name == *name);
        }
        if entries.is_empty() {
            let name = self.name.as_deref().unwrap_or_default();
            let diagnostic = Diagnostic::new(format!("there is no module {name}"));
            return Err(CommandError::invalid(diagnostic));
        }
        match self.format {
            ManualFormat::Markdown => say(&manual::markdown(&entries)),
            ManualFormat::Html => say(&manual::html(&entries)),
            ManualFormat::Man => entries.iter().for_each(|entry| say(&manual::roff(entry))),
        }
        Ok(Exit::Done)
    }
}
