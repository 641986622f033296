//! What is wrong with a blueprint, and where.

use osbuild_wasm_manifest::problem::{Path, PathElement, render_path};
use std::ops::Range;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The blueprint cannot be used.
    Error,
    /// It can, but probably not as it was meant.
    Warning,
}

/// The part of a member of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Its key, or the header of its table.
    Key,
    /// Its value; of an array or a table only what it begins with.
    Value,
}

/// One thing that is wrong with a blueprint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// The offending text in the document, in bytes.
    pub span: Range<usize>,
    /// The member of the document that it is about; empty for the whole document.
    pub path: Path,
    /// What is wrong, in one sentence.
    pub message: String,
    /// What was expected, in a few words, to stand beside the offending text.
    pub expected: String,
    /// What could be done about it.
    pub hint: String,
}

/// What is wrong, before its place in the text is looked up.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) severity: Severity,
    pub(crate) path: Path,
    /// What of the member is wrong.
    pub(crate) part: Part,
    pub(crate) message: String,
    pub(crate) expected: String,
    pub(crate) hint: String,
}

impl Problem {
    /// An error of the value at a path.
    pub(crate) fn error(
        path: Path,
        message: impl Into<String>,
        expected: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            severity: Severity::Error,
            path,
            part: Part::Value,
            message: message.into(),
            expected: expected.into(),
            hint: hint.into(),
        }
    }

    /// The same of the key at the end of the path.
    pub(crate) fn of_key(self) -> Self {
        Self {
            part: Part::Key,
            ..self
        }
    }

    /// The same as a warning, when `condition` holds.
    pub(crate) fn warning_if(self, condition: bool) -> Self {
        let severity = if condition {
            Severity::Warning
        } else {
            self.severity
        };
        Self { severity, ..self }
    }
}

/// A path as people write it: `customizations.user[0].name`.
pub fn dotted(path: &[PathElement]) -> String {
    render_path(path).trim_start_matches('.').to_owned()
}
