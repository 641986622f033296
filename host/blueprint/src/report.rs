//! What is wrong with blueprints, for programs.

use crate::diagnostic::{Diagnostic, Severity, dotted};
use crate::position::Position;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

/// The result of checking blueprints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CheckReport {
    /// Whether all of them can be used.
    pub success: bool,
    /// Each of them, in the order of the command line.
    pub documents: Vec<CheckedDocument>,
}

/// The result of checking one blueprint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CheckedDocument {
    /// Name of the file; `-` is standard input.
    pub name: String,
    /// Whether it can be used.
    pub valid: bool,
    /// What is wrong with it, in the order of the text; of very many the first hundred.
    pub problems: Vec<ReportedProblem>,
}

/// One thing that is wrong with a blueprint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ReportedProblem {
    /// Whether the blueprint can be used nevertheless.
    pub severity: ReportedSeverity,
    /// What is wrong, in one sentence.
    pub message: String,
    /// The member that it is about, such as `customizations.user[0].name`; empty for the whole document.
    pub path: String,
    /// Line of the offending text, from 1.
    pub line: usize,
    /// Column of the offending text in characters, from 1.
    pub column: usize,
    /// First byte of the offending text.
    pub start: usize,
    /// The byte after the offending text.
    pub end: usize,
    /// What was expected, in a few words.
    pub expected: String,
    /// What could be done about it.
    pub hint: String,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ReportedSeverity {
    /// The blueprint cannot be used.
    Error,
    /// It can, but probably not as it was meant.
    Warning,
}

impl CheckedDocument {
    /// The result for the text of a file with that name.
    pub fn new(name: &str, text: &str, diagnostics: &[Diagnostic]) -> Self {
        Self {
            name: name.to_owned(),
            valid: diagnostics
                .iter()
                .all(|diagnostic| diagnostic.severity == Severity::Warning),
            problems: diagnostics
                .iter()
                .map(|diagnostic| reported(text, diagnostic))
                .collect(),
        }
    }
}

impl CheckReport {
    /// The result of several.
    pub fn new(documents: Vec<CheckedDocument>) -> Self {
        Self {
            success: documents.iter().all(|document| document.valid),
            documents,
        }
    }

    /// JSON Schema (draft 2020-12) of the report.
    pub fn schema() -> Value {
        schemars::schema_for!(CheckReport).into()
    }
}

fn reported(text: &str, diagnostic: &Diagnostic) -> ReportedProblem {
    let Position { line, column } = Position::of(text, diagnostic.span.start);
    ReportedProblem {
        severity: match diagnostic.severity {
            Severity::Error => ReportedSeverity::Error,
            Severity::Warning => ReportedSeverity::Warning,
        },
        message: diagnostic.message.clone(),
        path: dotted(&diagnostic.path),
        line,
        column,
        start: diagnostic.span.start,
        end: diagnostic.span.end,
        expected: diagnostic.expected.clone(),
        hint: diagnostic.hint.clone(),
    }
}
