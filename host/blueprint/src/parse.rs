//! From a text to a blueprint.

use crate::diagnostic::{Diagnostic, Problem, Severity};
use crate::document::{Document, Syntax};
use crate::model::Blueprint;
use crate::policy::PathPolicies;
use crate::rules::Rules;
use crate::schema::schema;
use crate::shape::Shape;
use osbuild_wasm_manifest::problem::{Path, PathElement};
use serde_json::Value;

/// How many problems are told: who has so many begins with these.
pub(crate) const MAX_PROBLEMS: usize = 100;

/// What becomes of keys that are not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strictness {
    /// They are errors.
    #[default]
    Strict,
    /// They are warnings, and left out.
    Lenient,
}

/// How a blueprint is read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// What becomes of keys that are not known.
    pub strictness: Strictness,
    /// Where it may mount and write.
    pub paths: PathPolicies,
    /// Whether what only services ask for is warned about: a name, a complete version.
    pub services: bool,
}

/// A blueprint that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// What it says.
    pub blueprint: Blueprint,
    /// What is probably not as it was meant.
    pub warnings: Vec<Diagnostic>,
}

impl Blueprint {
    /// Reads and checks a blueprint in TOML; keys that are not known are errors.
    ///
    /// # Errors
    /// All that is wrong with it, in the order of the text; warnings are among it.
    pub fn from_toml(text: &str) -> Result<Parsed, Vec<Diagnostic>> {
        Self::parse(text, Syntax::Toml, Options::default())
    }

    /// The same in JSON.
    ///
    /// # Errors
    /// As [`Blueprint::from_toml`].
    pub fn from_json(text: &str) -> Result<Parsed, Vec<Diagnostic>> {
        Self::parse(text, Syntax::Json, Options::default())
    }

    /// Reads and checks a blueprint.
    ///
    /// # Errors
    /// As [`Blueprint::from_toml`].
    pub fn parse(text: &str, syntax: Syntax, options: Options) -> Result<Parsed, Vec<Diagnostic>> {
        let document = Document::parse(text, syntax).map_err(|error| vec![error])?;
        let (value, mut problems) = document.values();
        let blueprint = examine(value, syntax, options, &mut problems);
        tell(&document, blueprint, problems)
    }
}

/// Checks values and reads what can be read of them; adds what is wrong.
pub(crate) fn examine(
    mut value: Value,
    syntax: Syntax,
    options: Options,
    problems: &mut Vec<Problem>,
) -> Option<Blueprint> {
    problems.extend(Shape::check(
        schema(),
        &mut value,
        syntax,
        options.strictness,
    ));
    let errors = problems
        .iter()
        .filter(|problem| problem.severity == Severity::Error);
    if errors.count() >= MAX_PROBLEMS {
        return None;
    }
    leave_out_wrong_sections(&mut value, problems);
    match read(value) {
        Ok(blueprint) => {
            problems.extend(Rules::check(&blueprint, syntax, options));
            Some(blueprint)
        }
        Err(problem) => {
            problems.push(problem);
            None
        }
    }
}

/// The blueprint, or what is wrong with it in the order of the text.
pub(crate) fn tell(
    document: &Document<'_>,
    blueprint: Option<Blueprint>,
    mut problems: Vec<Problem>,
) -> Result<Parsed, Vec<Diagnostic>> {
    // An error is always told, whatever else there is.
    problems.sort_by_key(|problem| problem.severity == Severity::Warning);
    let mut diagnostics = document.locate(problems.into_iter().take(MAX_PROBLEMS));
    diagnostics.sort_by_key(|diagnostic| (diagnostic.span.start, diagnostic.span.end));
    let is_error = |diagnostic: &Diagnostic| diagnostic.severity == Severity::Error;
    match blueprint {
        Some(blueprint) if !diagnostics.iter().any(is_error) => Ok(Parsed {
            blueprint,
            warnings: diagnostics,
        }),
        _ => Err(diagnostics),
    }
}

/// Takes the sections with errors away, so that the rules can be asked about the others.
fn leave_out_wrong_sections(value: &mut Value, problems: &[Problem]) {
    let errors = problems
        .iter()
        .filter(|problem| problem.severity == Severity::Error);
    for problem in errors {
        let section = section(&problem.path);
        let Some((PathElement::Key(last), outer)) = section.split_last() else {
            *value = Value::Object(serde_json::Map::new());
            return;
        };
        let table = match outer {
            [PathElement::Key(outer)] => value.get_mut(outer),
            _ => Some(&mut *value),
        };
        if let Some(table) = table.and_then(Value::as_object_mut) {
            table.shift_remove(last);
        }
    }
}

/// The key of the whole document, or of its customizations, that a path leads through.
fn section(path: &Path) -> &[PathElement] {
    let depth = match path.first() {
        Some(PathElement::Key(key)) if key == "customizations" => 2,
        _ => 1,
    };
    &path[..path.len().min(depth)]
}

/// Reads values whose shape was checked.
fn read(value: Value) -> Result<Blueprint, Problem> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let steps = error.path().iter().filter_map(|segment| match segment {
            serde_path_to_error::Segment::Seq { index } => Some(PathElement::Index(*index)),
            serde_path_to_error::Segment::Map { key } => Some(PathElement::Key(key.clone())),
            _ => None,
        });
        Problem::error(
            steps.collect(),
            format!("the value cannot be used: {}", error.inner()),
            "expected another value",
            "see the description of the format in docs/blueprints.md",
        )
    })
}
