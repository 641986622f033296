//! `osbuild-wasm report`.
use crate::command_error::{CommandError, Exit, Result};
use crate::commands::Command;
use crate::document;
use crate::output_file;
use crate::print::say_coloured;
use clap::{Args, ValueEnum};
use osbuild_wasm_capability::record::Record;
use osbuild_wasm_files::LARGEST_RECORD;
use osbuild_wasm_report::{Colour, Diagnostic, record};
use std::io;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  # What did the stages do?
  osbuild-wasm run --record record.json --export image --output-directory out manifest.json
  osbuild-wasm report record.json

  # The same as a page that needs no network, for a CI's artefacts
  osbuild-wasm report --output report.html record.json";

/// Show the record of a run: times, what each stage was granted, used and refused, files and programs
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ReportArguments {
    /// What `run --record` wrote; `-` reads standard input
    record: PathBuf,
    /// Form; default: html when --output names a file that ends in .html, else text
    #[arg(long, value_enum)]
    format: Option<Form>,
    /// Write to FILE instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Form {
    /// One page with styles, without scripts
    Html,
    /// Tables
    Text,
}

impl Command for ReportArguments {
    fn run(self) -> Result {
        let record = read_record(&self.record)?;
        let colour = match &self.output {
            Some(_) => Colour::Never,
            None => Colour::of(&io::stdout()),
        };
        let text = match self.form() {
            Form::Html => record::html(&record),
            Form::Text => record::text(&record, colour),
        };
        match &self.output {
            Some(file) => output_file::write(file, text.as_bytes())?,
            None => say_coloured(&text, colour),
        }
        Ok(Exit::Done)
    }
}

impl ReportArguments {
    fn form(&self) -> Form {
        let is_html = |file: &PathBuf| {
            file.extension()
                .is_some_and(|extension| extension == "html")
        };
        match self.format {
            Some(form) => form,
            None if self.output.as_ref().is_some_and(is_html) => Form::Html,
            None => Form::Text,
        }
    }
}

fn read_record(path: &Path) -> Result<Record> {
    let record = match document::read_named(path, LARGEST_RECORD) {
        Ok(json) => record::read(&json),
        Err(error) => Err(error.to_string()),
    };
    record.map_err(|error| {
        let message = format!("cannot read the record {}", path.display());
        CommandError::invalid(Diagnostic::new(message).cause(error))
    })
}
