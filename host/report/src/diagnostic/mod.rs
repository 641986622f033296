//! Errors for people.

mod document;
mod failure;
mod hints;

pub use document::{Finding, Source};
pub use failure::failure_text;

use crate::style::Colour;
use crate::text::{clean_lines, count};
use osbuild_wasm_manifest::printable::{printable, printable_line};
use osbuild_wasm_manifest::problem::{ValidationError, render_path};
use std::error::Error;

/// How many lines of a log a diagnostic shows.
const TAIL: usize = 30;

/// What starts a line of details that is advice.
const HINT: &str = "hint:";

/// An error as a person wants to read it: what and where in the first line; then the causes, the end of the log, what to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnostic {
    /// What went wrong, one line.
    pub message: String,
    /// Where: a JSON path in the manifest, a path, a pipeline.
    pub place: Option<String>,
    /// The id of the stage it is about.
    pub id: Option<String>,
    /// Why, each the cause of the one before; one may have several lines.
    pub causes: Vec<String>,
    /// The log it ends, whole; only its last lines are shown.
    pub log: Option<String>,
    /// What could be done, one line each.
    pub hints: Vec<String>,
}

impl Diagnostic {
    /// An error with nothing but its message.
    pub fn new(message: impl Into<String>) -> Self {
        Diagnostic {
            message: message.into(),
            ..Diagnostic::default()
        }
    }

    /// An error with its chain of causes. A cause that says nothing its effect has not said already is left out.
    pub fn from_error(error: &dyn Error) -> Self {
        let mut diagnostic = Diagnostic::new(error.to_string());
        let mut told = error.to_string();
        diagnostic.hints = hints::for_error(&told);
        let mut cause = error.source();
        while let Some(next) = cause {
            let text = next.to_string();
            if !told.ends_with(&text) {
                diagnostic.causes.push(text.clone());
                diagnostic.hints.extend(hints::for_error(&text));
            }
            told = text;
            cause = next.source();
        }
        diagnostic
    }

    /// What is wrong with a document, with the place in it.
    pub fn from_problem(problem: &ValidationError) -> Self {
        Diagnostic {
            place: Some(render_path(&problem.path)),
            hints: problem.hint.iter().cloned().collect(),
            ..Diagnostic::new(&problem.message)
        }
    }

    /// Says where.
    pub fn at(self, place: impl Into<String>) -> Self {
        Diagnostic {
            place: Some(place.into()),
            ..self
        }
    }

    /// Adds a cause.
    pub fn cause(mut self, cause: impl Into<String>) -> Self {
        self.causes.push(cause.into());
        self
    }

    /// Adds advice, unless it is there already.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        let hint = hint.into();
        if !self.hints.contains(&hint) {
            self.hints.push(hint);
        }
        self
    }

    /// Leaves the log out: for when a monitor has shown it.
    pub fn without_log(self) -> Self {
        Diagnostic { log: None, ..self }
    }

    /// Adds details: lines that begin with `hint:` are advice, with the indented lines that follow; what remains is a cause.
    fn details(mut self, details: &str) -> Self {
        let mut cause = Vec::new();
        let mut lines = details.lines().peekable();
        while let Some(line) = lines.next() {
            let Some(hint) = line.trim_start().strip_prefix(HINT) else {
                cause.push(line);
                continue;
            };
            let mut hint = hint.trim().to_owned();
            while let Some(more) = lines.next_if(|line| line.starts_with("    ")) {
                hint = hint + "\n" + more.trim();
            }
            self = self.hint(hint);
        }
        let cause = cause.join("\n");
        match cause.trim() {
            "" => self,
            _ => self.cause(cause.trim_end().trim_start_matches('\n')),
        }
    }

    /// The error as text that ends with a newline.
    pub fn render(&self, colour: Colour) -> String {
        let message = printable(&self.message);
        let mut text = format!("{} {}", colour.bad("error:"), colour.strong(&message));
        if let Some(place) = &self.place {
            text += &format!(" (at {})", printable_line(place));
        }
        text.push('\n');
        if let Some(id) = &self.id {
            text += &format!("  id: {}\n", printable_line(id));
        }
        for cause in &self.causes {
            text += &format!("  cause: {}\n", indented(cause, "    "));
        }
        text += &self.render_log(colour);
        for hint in &self.hints {
            text += &format!("{} {}\n", colour.advice(HINT), indented(hint, "  "));
        }
        text
    }

    fn render_log(&self, colour: Colour) -> String {
        let mut lines = clean_lines(self.log.as_deref().unwrap_or_default());
        while lines.last().is_some_and(|line| line.trim().is_empty()) {
            lines.pop();
        }
        let hidden = lines.len().saturating_sub(TAIL);
        let title = match (lines.len(), hidden) {
            (0, _) => return String::new(),
            (_, 0) => "log:".to_owned(),
            (all, _) => format!("last {TAIL} of {} of the log:", count(all, "line")),
        };
        let shown = lines.iter().skip(hidden).map(|line| {
            format!(
                "{}\n",
                format!("    {} {line}", colour.faint("|")).trim_end()
            )
        });
        format!("  {title}\n{}", shown.collect::<String>())
    }
}

/// The text with all lines but the first indented.
fn indented(text: &str, by: &str) -> String {
    let lines: Vec<String> = clean_lines(text);
    lines.join(&format!("\n{by}"))
}
