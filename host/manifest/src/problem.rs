//! What is wrong with a document, and where.

use crate::json::{Object, Value, to_python};
use std::cmp::Ordering;
use std::fmt;

/// One step into a document.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PathElement {
    /// A member of an object (of a stage's mounts: the name of a mount).
    Key(String),
    /// An element of an array.
    Index(usize),
}

impl From<&str> for PathElement {
    fn from(key: &str) -> Self {
        PathElement::Key(key.to_owned())
    }
}

impl From<String> for PathElement {
    fn from(key: String) -> Self {
        PathElement::Key(key)
    }
}

impl From<usize> for PathElement {
    fn from(index: usize) -> Self {
        PathElement::Index(index)
    }
}

/// Where in a document.
pub type Path = Vec<PathElement>;

/// The path of `base` followed by one step.
pub(crate) fn join(base: &[PathElement], step: impl Into<PathElement>) -> Path {
    let mut path = base.to_vec();
    path.push(step.into());
    path
}

/// The path as osbuild writes it: `.pipelines[0].stages[1].options`, `.` for the document itself; keys with a blank are quoted.
pub fn render_path(path: &[PathElement]) -> String {
    if path.is_empty() {
        return ".".to_owned();
    }
    let render = |element: &PathElement| match element {
        PathElement::Key(key) if key.contains(' ') => format!(".'{key}'"),
        PathElement::Key(key) => format!(".{key}"),
        PathElement::Index(index) => format!("[{index}]"),
    };
    path.iter().map(render).collect()
}

/// One thing that is wrong with a document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", render_path(.path))]
pub struct ValidationError {
    /// Where.
    pub path: Path,
    /// What, in one line.
    pub message: String,
    /// The members of the object at `path` that it is about; none when it is about the whole value.
    pub members: Vec<String>,
    /// What was expected there, in a few words, to stand beside the offending text.
    pub expected: Option<String>,
    /// What could be done about it. Like the two before it no part of osbuild's error documents.
    pub hint: Option<String>,
}

impl ValidationError {
    pub(crate) fn new(path: &[PathElement], message: impl Into<String>) -> Self {
        ValidationError {
            path: path.to_vec(),
            message: message.into(),
            members: Vec::new(),
            expected: None,
            hint: None,
        }
    }

    pub(crate) fn with_hint(self, hint: impl Into<String>) -> Self {
        ValidationError {
            hint: Some(hint.into()),
            ..self
        }
    }
}

/// Sorts by rendered path (as osbuild does), then by message, and drops repetitions.
pub(crate) fn tidy(errors: &mut Vec<ValidationError>) {
    errors.sort_by_cached_key(|error| (render_path(&error.path), error.message.clone()));
    errors.dedup_by(|a, b| compare(a, b) == Ordering::Equal);
}

fn compare(a: &ValidationError, b: &ValidationError) -> Ordering {
    render_path(&a.path)
        .cmp(&render_path(&b.path))
        .then_with(|| a.message.cmp(&b.message))
}

/// osbuild's error document (one line of JSON, no newline).
pub fn validation_json(errors: &[ValidationError]) -> String {
    let error = |error: &ValidationError| {
        let path: Vec<Value> = error.path.iter().map(element_json).collect();
        object([
            ("message", error.message.as_str().into()),
            ("path", path.into()),
        ])
    };
    let errors: Vec<Value> = errors.iter().map(error).collect();
    to_python(&object([
        ("type", "https://osbuild.org/validation-error".into()),
        ("title", "JSON Schema validation failed".into()),
        ("success", errors.is_empty().into()),
        ("errors", errors.into()),
    ]))
}

/// osbuild's list of errors as text, each with its hint; `name` is how the user calls the document (`-` is standard input).
pub fn validation_text(name: &str, errors: &[ValidationError]) -> String {
    let name = if name == "-" { "<stdin>" } else { name };
    let mut text = format!("{name} has errors:\n\n");
    let mut place = None;
    for error in errors {
        let path = render_path(&error.path);
        if place.as_ref() != Some(&path) {
            text += if place.is_some() { "\n" } else { "" };
            text += &format!("{path}:\n");
            place = Some(path);
        }
        text += &format!("  {}\n", error.message);
        if let Some(hint) = &error.hint {
            text += &format!("    hint: {hint}\n");
        }
    }
    text + "\n"
}

fn element_json(element: &PathElement) -> Value {
    match element {
        PathElement::Key(key) => key.as_str().into(),
        PathElement::Index(index) => (*index as u64).into(),
    }
}

/// An object of these members, in this order.
pub(crate) fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    members
        .into_iter()
        .map(|(key, value)| (key.into(), value))
        .collect::<Object>()
        .into()
}

impl fmt::Display for PathElement {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PathElement::Key(key) => out.write_str(key),
            PathElement::Index(index) => write!(out, "{index}"),
        }
    }
}

/// Turns a path into a v1 document into one into the earliest form, where the pipeline is the document.
pub(crate) fn strip_pipeline(error: &mut ValidationError) {
    if error.path.first() == Some(&"pipeline".into()) {
        error.path.remove(0);
    }
}
