//! Blueprints in files.
use crate::command_error::{CommandError, Result};
use crate::document::{read_named, shown};
use crate::style::{colour, width};
use osbuild_wasm_blueprint::{
    Blueprint, Diagnostic as Problem, Options, Parsed, Part, Path as Member, Severity, Syntax,
    spans,
};
use osbuild_wasm_generator::checks;
use osbuild_wasm_manifest::problem::render_path;
use osbuild_wasm_report::{Diagnostic, Finding, Source};
use std::io;
use std::path::Path;

/// How large a blueprint may be, with the contents of files that it has in it.
const MAX_BYTES: u64 = 16 << 20;

/// The text of a blueprint, and where it came from.
#[derive(Debug)]
pub(crate) struct BlueprintFile {
    /// How the user calls it.
    pub(crate) name: String,
    /// What was read.
    pub(crate) text: String,
    /// Its language.
    pub(crate) syntax: Syntax,
}

impl BlueprintFile {
    /// Reads a file; `-` is standard input. The language is that of its extension, else the one that it looks like.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let name = path.to_string_lossy().into_owned();
        let text = text_of(path).map_err(|error| {
            let diagnostic = Diagnostic::new(format!("cannot read {}", shown(&name)));
            CommandError::invalid(diagnostic.cause(error.to_string()))
        })?;
        let syntax = match path.extension().and_then(|extension| extension.to_str()) {
            Some("json") => Syntax::Json,
            Some("toml") => Syntax::Toml,
            _ if text.trim_start().starts_with('{') => Syntax::Json,
            _ => Syntax::Toml,
        };
        Ok(Self { name, text, syntax })
    }

    /// Reads what it says: a blueprint unless it has errors, and all that is wrong with it.
    pub(crate) fn parse(&self, options: Options) -> (Option<Blueprint>, Vec<Problem>) {
        parts(Blueprint::parse(&self.text, self.syntax, options))
    }

    /// The same of customizations of a request to the cloud API.
    pub(crate) fn parse_cloud(&self, options: Options) -> (Option<Blueprint>, Vec<Problem>) {
        parts(Blueprint::from_cloud(&self.text, options))
    }

    /// What an image type does not take of it, with the places; not what is about options.
    pub(crate) fn located(&self, findings: &[checks::Finding]) -> Vec<Problem> {
        let of_file: Vec<_> = findings
            .iter()
            .filter_map(|finding| Some((finding, finding.path.as_ref()?)))
            .collect();
        let members = of_file.iter().map(|(finding, path)| {
            let part = match finding.is_warning {
                true => Part::Key,
                false => Part::Value,
            };
            (path.as_slice(), part)
        });
        let spans = spans(&self.text, self.syntax, members);
        let problem = |((finding, path), span): ((&checks::Finding, &Member), _)| Problem {
            severity: match finding.is_warning {
                true => Severity::Warning,
                false => Severity::Error,
            },
            span,
            path: path.clone(),
            message: finding.message.clone(),
            expected: finding.label.to_owned(),
            hint: finding.hint.clone(),
        };
        let mut problems: Vec<_> = of_file.into_iter().zip(spans).map(problem).collect();
        problems.sort_by_key(|problem| problem.span.start);
        problems
    }

    /// What is wrong, with the lines; nothing where nothing is.
    pub(crate) fn explain(&self, problems: &[Problem]) -> String {
        if problems.is_empty() {
            return String::new();
        }
        let findings: Vec<_> = problems.iter().map(finding).collect();
        let source = Source {
            name: &self.name,
            text: self.text.as_bytes(),
        };
        source.findings(&findings, colour(), width())
    }
}

fn parts(parsed: Result<Parsed, Vec<Problem>>) -> (Option<Blueprint>, Vec<Problem>) {
    match parsed {
        Ok(parsed) => (Some(parsed.blueprint), parsed.warnings),
        Err(problems) => (None, problems),
    }
}

fn text_of(path: &Path) -> io::Result<String> {
    let invalid = |error| io::Error::new(io::ErrorKind::InvalidData, error);
    String::from_utf8(read_named(path, MAX_BYTES)?).map_err(invalid)
}

fn finding(problem: &Problem) -> Finding<'_> {
    Finding {
        is_warning: problem.severity == Severity::Warning,
        message: problem.message.clone(),
        places: vec![problem.span.clone()],
        label: Some(&problem.expected),
        place: Some(render_path(&problem.path)).filter(|_| !problem.path.is_empty()),
        hint: Some(&problem.hint),
    }
}
