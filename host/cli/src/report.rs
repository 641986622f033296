//! `osbuild-wasm report`.
use crate::exit::{Exit, fail, say_coloured};
use crate::output;
use clap::{Args, ValueEnum};
use osbuild_wasm_report::{Colour, Diagnostic, record};
use std::io::{self, Read};
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

pub(crate) fn report(arguments: &ReportArguments) -> Exit {
    let path = &arguments.record;
    let record = match read(path) {
        Ok(json) => record::read(&json),
        Err(error) => Err(error.to_string()),
    };
    let record = match record {
        Ok(record) => record,
        Err(error) => {
            let message = format!("cannot read the record {}", path.display());
            return fail(Exit::Invalid, false, &Diagnostic::new(message).cause(error));
        }
    };
    let file = arguments.output.as_deref();
    let is_html = |file: &Path| {
        file.extension()
            .is_some_and(|extension| extension == "html")
    };
    let colour = match file {
        Some(_) => Colour::Never,
        None => Colour::of(&io::stdout()),
    };
    let text = match arguments.format {
        Some(Form::Html) => record::html(&record),
        None if file.is_some_and(is_html) => record::html(&record),
        _ => record::text(&record, colour),
    };
    let Some(file) = file else {
        say_coloured(&text, colour);
        return Exit::Done;
    };
    match output::write(file, text.as_bytes()) {
        Ok(()) => Exit::Done,
        Err(diagnostic) => fail(Exit::Failed, false, &diagnostic),
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    if path != Path::new("-") {
        return std::fs::read(path);
    }
    let mut text = Vec::new();
    io::stdin().lock().read_to_end(&mut text)?;
    Ok(text)
}
