//! The text of a blueprint: its values, and where they are.

use crate::diagnostic::{Diagnostic, Part, Problem, Severity, dotted};
use osbuild_wasm_manifest::json::{self, Places, Span};
use osbuild_wasm_manifest::problem::{Path, PathElement};
use serde_json::{Number, Value};
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The languages of blueprints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// TOML
    Toml,
    /// JSON
    Json,
}

/// A text that was read.
#[derive(Debug)]
pub(crate) struct Document<'t> {
    text: &'t str,
    tree: Tree<'t>,
}

#[derive(Debug)]
enum Tree<'t> {
    Toml(Spanned<DeTable<'t>>),
    /// Its spans are read from the text.
    Json(Value),
}

impl<'t> Document<'t> {
    /// Reads a text.
    ///
    /// # Errors
    /// It is not of that language.
    pub(crate) fn parse(text: &'t str, syntax: Syntax) -> Result<Self, Diagnostic> {
        let tree = match syntax {
            Syntax::Toml => {
                Tree::Toml(DeTable::parse(text).map_err(|error| no_toml(text, &error))?)
            }
            Syntax::Json => {
                let value = json::parse_without_duplicates(text.as_bytes())
                    .map_err(|error| no_json(text, &error))?;
                Tree::Json((&value).into())
            }
        };
        Ok(Self { text, tree })
    }

    /// Its values, and what of them no blueprint can have.
    pub(crate) fn values(&self) -> (Value, Vec<Problem>) {
        match &self.tree {
            Tree::Json(value) => (value.clone(), Vec::new()),
            Tree::Toml(table) => {
                let mut reader = TomlReader::default();
                (reader.table(table.get_ref()), reader.problems)
            }
        }
    }

    /// Problems with their places.
    pub(crate) fn locate(&self, problems: impl Iterator<Item = Problem>) -> Vec<Diagnostic> {
        let mut places = Places::new(self.text.as_bytes());
        problems
            .map(|problem| self.located(problem, &mut places))
            .collect()
    }

    fn located(&self, problem: Problem, places: &mut Places<'_>) -> Diagnostic {
        Diagnostic {
            span: self.telling(&problem.path, problem.part, places),
            severity: problem.severity,
            path: problem.path,
            message: problem.message,
            expected: problem.expected,
            hint: problem.hint,
        }
    }

    /// What to underline.
    fn telling(&self, path: &[PathElement], part: Part, places: &mut Places<'_>) -> Range<usize> {
        let Some(span) = self.span(path, places) else {
            return 0..0;
        };
        let value = span.value;
        if part == Part::Key {
            return span.name.unwrap_or(value);
        }
        let begin = self.text.get(value.clone()).unwrap_or_default();
        match begin.as_bytes().first() {
            // The header of a table of TOML is its whole span.
            Some(b'[') if !begin.contains(['\n', ',', '=', '"']) && begin.ends_with(']') => value,
            Some(b'{' | b'[') => span.name.unwrap_or(value.start..value.start + 1),
            _ => value,
        }
    }

    /// The value at a path, else the innermost one around it that is there.
    fn span(&self, path: &[PathElement], places: &mut Places<'_>) -> Option<Span> {
        match &self.tree {
            Tree::Json(_) => places.span(path),
            Tree::Toml(table) => Some(toml_span(table, path)),
        }
    }
}

/// Where parts of members are in the text of a blueprint, in bytes; of a member that is not there, where the innermost one around it is.
/// Nothing is anywhere in a text that is not of its language.
pub fn spans<'p>(
    text: &str,
    syntax: Syntax,
    members: impl IntoIterator<Item = (&'p [PathElement], Part)>,
) -> Vec<Range<usize>> {
    let document = Document::parse(text, syntax).ok();
    let mut places = Places::new(text.as_bytes());
    let span = |(path, part)| match &document {
        Some(document) => document.telling(path, part, &mut places),
        None => 0..0,
    };
    members.into_iter().map(span).collect()
}

fn toml_span(document: &Spanned<DeTable<'_>>, path: &[PathElement]) -> Span {
    let mut here = Span {
        name: None,
        value: document.span(),
    };
    let mut table = Some(document.get_ref());
    let mut array = None;
    for step in path {
        let next = match step {
            PathElement::Key(key) => table
                .and_then(|table| table.get_key_value(key.as_str()))
                .map(|(name, value)| (Some(name.span()), value)),
            PathElement::Index(index) => array
                .and_then(|array: &toml::de::DeArray<'_>| array.get(*index))
                .map(|value| (None, value)),
        };
        let Some((name, value)) = next else { break };
        here = Span {
            name,
            value: value.span(),
        };
        table = value.get_ref().as_table();
        array = value.get_ref().as_array();
    }
    here
}

fn no_toml(text: &str, error: &toml::de::Error) -> Diagnostic {
    let span = error.span().unwrap_or(text.len()..text.len());
    let message = error.message().lines().collect::<Vec<_>>().join("; ");
    Diagnostic {
        severity: Severity::Error,
        span,
        path: Path::new(),
        message: format!("this is not TOML: {message}"),
        expected: "here".to_owned(),
        hint: toml_hint(&message).to_owned(),
    }
}

/// What was probably done wrong.
fn toml_hint(message: &str) -> &'static str {
    match message {
        message if message.contains("duplicate key") => {
            "a key may be given once in a table: put both into one, or write `[[table]]` for several of them"
        }
        message if message.contains("leading zero") => {
            "numbers have no zeros before them; modes are texts in quotes: \"0644\""
        }
        message if message.contains("newline") => "one key and its value stand on a line",
        _ => {
            "texts stand in quotes, lists in `[` `]`, true and false have no quotes; tables begin with `[name]`, one of several with `[[name]]`"
        }
    }
}

fn no_json(text: &str, error: &json::SyntaxError) -> Diagnostic {
    let here = text.get(error.offset..).unwrap_or_default();
    let hint = if !text.trim_start().starts_with(['{', '[']) {
        "a blueprint in JSON begins with `{`; is it TOML? Then name the file .toml"
    } else if here.starts_with(['/', '#']) {
        "JSON has no comments; TOML has"
    } else if error.message.contains("given before") {
        "of two values one would be lost: leave one out, or put both into one"
    } else {
        "names and texts stand in double quotes, members are separated by commas"
    };
    Diagnostic {
        severity: Severity::Error,
        span: error.offset..error.offset,
        path: Path::new(),
        message: format!("this is not JSON: {}", error.message),
        expected: "here".to_owned(),
        hint: hint.to_owned(),
    }
}

/// From TOML to the values that both languages have.
#[derive(Debug, Default)]
struct TomlReader {
    path: Path,
    problems: Vec<Problem>,
}

impl TomlReader {
    fn table(&mut self, table: &DeTable<'_>) -> Value {
        let members = table.iter().map(|(key, value)| {
            let key = key.get_ref().to_string();
            let value = self.step(key.as_str().into(), value);
            (key, value)
        });
        Value::Object(members.collect())
    }

    fn step(&mut self, step: PathElement, value: &Spanned<DeValue<'_>>) -> Value {
        self.path.push(step);
        let value = self.value(value.get_ref());
        self.path.pop();
        value
    }

    fn value(&mut self, value: &DeValue<'_>) -> Value {
        match value {
            DeValue::String(text) => Value::String(text.to_string()),
            DeValue::Boolean(value) => Value::Bool(*value),
            DeValue::Integer(integer) => {
                let number = i64::from_str_radix(integer.as_str(), integer.radix());
                // Of what does not fit only this much matters, that it does not.
                number.map_or_else(|_| float(f64::MAX), Value::from)
            }
            DeValue::Float(value) => float(value.as_str().parse().unwrap_or(f64::NAN)),
            DeValue::Datetime(_) => {
                let problem = Problem::error(
                    self.path.clone(),
                    format!(
                        "`{}` is a date, and no field of a blueprint is one",
                        dotted(&self.path)
                    ),
                    "expected no date",
                    "for a text, put it into quotes",
                );
                self.problems.push(problem);
                Value::Null
            }
            DeValue::Array(values) => {
                let items = values.iter().enumerate();
                Value::Array(
                    items
                        .map(|(index, value)| self.step(index.into(), value))
                        .collect(),
                )
            }
            DeValue::Table(table) => self.table(table),
        }
    }
}

/// A float; what JSON has no word for is a fraction here, so that it fits nowhere.
fn float(value: f64) -> Value {
    Number::from_f64(value).map_or_else(|| Value::from(0.5), Value::Number)
}
