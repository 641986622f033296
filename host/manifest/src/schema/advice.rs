//! What a person wants to know beyond osbuild's message: which members it is about, what was expected, what was probably meant.

use super::{Schema, lookup_instance, message, path_of};
use crate::json::Value;
use crate::nearest::nearest;
use crate::problem::ValidationError;
use jsonschema::error::ValidationErrorKind as Kind;
use jsonschema::paths::LocationSegment;

/// How many names or alternatives are listed.
const MAX_LISTED: usize = 12;

/// Fills in what goes beside the message; `instance` is the value it is about.
pub(super) fn advise(
    schema: &Schema,
    error: &jsonschema::ValidationError<'_>,
    instance: Option<&Value>,
    document: &Value,
    problem: &mut ValidationError,
) {
    let location: Vec<LocationSegment<'_>> = error.schema_path().iter().collect();
    let (wanted, parent) = match location.split_last() {
        Some((_, parent)) => (schema.at(&location), schema.at(parent)),
        None => (None, None),
    };
    match error.kind() {
        Kind::Required { property } => {
            problem.expected = property
                .as_str()
                .map(|name| format!("`{name}` is missing here"));
        }
        Kind::Type { .. } => {
            problem.expected = wanted.map(|types| format!("expected {}", words(types)))
        }
        Kind::Enum { .. } => of_choice(instance, wanted, problem),
        Kind::Pattern { .. } => {
            problem.expected = wanted
                .and_then(Value::as_str)
                .map(|pattern| format!("expected to match {pattern}"));
        }
        Kind::AdditionalProperties { unexpected } => {
            of_members(unexpected.clone(), parent, problem)
        }
        Kind::FalseSchema => {
            let names = instance.and_then(Value::as_object).into_iter().flatten();
            let names = names.map(|(name, _)| name.to_string_lossy().into_owned());
            of_members(names.collect(), parent, problem);
        }
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => {
            problem.expected = Some("fits none of the alternatives".to_owned());
            problem.hint = alternatives(schema, context, document);
        }
        _ => {}
    }
}

/// `string` or `string or null`.
fn words(types: &Value) -> String {
    let types = types
        .as_array()
        .map_or(std::slice::from_ref(types), Vec::as_slice);
    types
        .iter()
        .filter_map(Value::as_str)
        .collect::<Vec<_>>()
        .join(" or ")
}

fn of_choice(instance: Option<&Value>, wanted: Option<&Value>, problem: &mut ValidationError) {
    let choices = wanted.and_then(Value::as_array).into_iter().flatten();
    let choices: Vec<&str> = choices.filter_map(Value::as_str).collect();
    if choices.is_empty() {
        return;
    }
    problem.expected = Some(format!("expected {}", listed(&choices, " or ")));
    let given = instance.and_then(Value::as_str);
    problem.hint = given.and_then(|given| did_you_mean(given, &choices));
}

fn of_members(unexpected: Vec<String>, parent: Option<&Value>, problem: &mut ValidationError) {
    let known = parent
        .and_then(|parent| parent.get("properties"))
        .and_then(Value::as_object);
    let known: Vec<&str> = known
        .into_iter()
        .flatten()
        .filter_map(|(name, _)| name.as_str())
        .collect();
    problem.expected = Some("not known here".to_owned());
    let near = unexpected
        .iter()
        .find_map(|name| did_you_mean(name, &known));
    problem.hint = near
        .or_else(|| (!known.is_empty()).then(|| format!("known here: {}", listed(&known, ", "))));
    problem.members = unexpected;
}

/// What each alternative has against the value.
fn alternatives(
    schema: &Schema,
    context: &[Vec<jsonschema::ValidationError<'static>>],
    document: &Value,
) -> Option<String> {
    let reason = |errors: &Vec<jsonschema::ValidationError<'static>>| {
        let error = errors.first()?;
        let at = lookup_instance(document, &path_of(error.instance_path()));
        Some(shortened(&message::describe(schema, error, at)))
    };
    let reasons: Vec<String> = context.iter().filter_map(reason).take(MAX_LISTED).collect();
    (!reasons.is_empty())
        .then(|| format!("one of these has to be solved: {}", reasons.join("; or ")))
}

/// Messages quote whole values; the beginning will do.
fn shortened(message: &str) -> String {
    const LIMIT: usize = 100;
    match message.char_indices().nth(LIMIT) {
        None => message.to_owned(),
        Some(_) => {
            // What is wrong stands at the end.
            let skip = message.chars().count().saturating_sub(LIMIT);
            format!("...{}", message.chars().skip(skip).collect::<String>())
        }
    }
}

fn did_you_mean(given: &str, known: &[&str]) -> Option<String> {
    nearest(given, known.iter()).map(|near| format!("did you mean `{near}`?"))
}

fn listed(names: &[&str], separator: &str) -> String {
    let shown: Vec<String> = names
        .iter()
        .take(MAX_LISTED)
        .map(|name| format!("`{name}`"))
        .collect();
    let more = names.len().saturating_sub(MAX_LISTED);
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    shown.join(separator) + &more
}
