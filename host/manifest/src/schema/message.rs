//! The messages of osbuild's validator: values quoted as Python literals.

use super::Schema;
use crate::json::{Text, Value, python_repr, python_repr_text};
use jsonschema::error::ValidationErrorKind as Kind;
use jsonschema::paths::LocationSegment;

/// Says what is wrong; `instance` is the value it is wrong with, when it was found.
pub(super) fn describe(
    schema: &Schema,
    error: &jsonschema::ValidationError<'_>,
    instance: Option<&Value>,
) -> String {
    let fallback;
    let instance = match instance {
        Some(instance) => instance,
        None => {
            fallback = Value::from(error.instance().clone().into_owned());
            &fallback
        }
    };
    let location: Vec<LocationSegment<'_>> = error.schema_path().iter().collect();
    let (keyword_value, parent) = match location.split_last() {
        Some((_, parent)) => (schema.at(&location), schema.at(parent)),
        None => (None, None),
    };
    let quoted = python_repr(instance);
    let wanted = keyword_value.unwrap_or(&Value::Null);
    match error.kind() {
        Kind::Required { property } => format!(
            "{} is a required property",
            python_repr(&Value::from(property.clone()))
        ),
        Kind::Type { .. } => format!("{quoted} is not of type {}", type_names(wanted)),
        Kind::Enum { .. } => format!("{quoted} is not one of {}", python_repr(wanted)),
        Kind::Pattern { .. } => format!("{quoted} does not match {}", python_repr(wanted)),
        Kind::AdditionalProperties { unexpected } => unexpected_properties(unexpected, parent),
        // So the validator says it when the schema allows no properties at all; the instance is the object.
        Kind::FalseSchema if instance.as_object().is_some() => {
            let names = instance
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, _)| name.to_string_lossy().into_owned());
            unexpected_properties(&names.collect::<Vec<_>>(), parent)
        }
        Kind::AdditionalItems { limit } => unexpected_items(instance, *limit),
        Kind::AnyOf { .. } | Kind::OneOfNotValid { .. } => {
            format!("{quoted} is not valid under any of the given schemas")
        }
        Kind::OneOfMultipleValid { context } => {
            let valid = context.iter().map(Vec::is_empty);
            format!(
                "{quoted} is valid under each of {}",
                several_valid(wanted, valid)
            )
        }
        Kind::Not { .. } => format!("{quoted} should not be valid under {}", python_repr(wanted)),
        Kind::UniqueItems => format!("{quoted} has non-unique elements"),
        Kind::Minimum { .. } => format!(
            "{quoted} is less than the minimum of {}",
            python_repr(wanted)
        ),
        Kind::Maximum { .. } => format!(
            "{quoted} is greater than the maximum of {}",
            python_repr(wanted)
        ),
        Kind::MinItems { limit } | Kind::MinLength { limit } => {
            too_few(&quoted, *limit, "is too short")
        }
        Kind::MinProperties { limit } => {
            too_few(&quoted, *limit, "does not have enough properties")
        }
        Kind::MaxItems { limit } | Kind::MaxLength { limit } => {
            too_many(&quoted, *limit, "is too long")
        }
        Kind::MaxProperties { limit } => too_many(&quoted, *limit, "has too many properties"),
        _ => error.to_string(),
    }
}

/// `'string'` or `'string', 'null'`.
fn type_names(types: &Value) -> String {
    match types {
        Value::Array(types) => types.iter().map(python_repr).collect::<Vec<_>>().join(", "),
        one => python_repr(one),
    }
}

fn unexpected_properties(unexpected: &[String], parent: Option<&Value>) -> String {
    let names = quote_sorted(unexpected.iter().map(|name| Text::from(name.as_str())));
    let plural = unexpected.len() > 1;
    match parent
        .and_then(|parent| parent.get("patternProperties"))
        .and_then(Value::as_object)
    {
        Some(patterns) if !patterns.is_empty() => {
            let verb = if plural { "do" } else { "does" };
            format!(
                "{names} {verb} not match any of the regexes: {}",
                quote_sorted(patterns.keys().cloned())
            )
        }
        _ => {
            let verb = if plural { "were" } else { "was" };
            format!("Additional properties are not allowed ({names} {verb} unexpected)")
        }
    }
}

fn quote_sorted(names: impl Iterator<Item = Text>) -> String {
    let mut names: Vec<Text> = names.collect();
    names.sort();
    names
        .iter()
        .map(python_repr_text)
        .collect::<Vec<_>>()
        .join(", ")
}

fn unexpected_items(instance: &Value, limit: usize) -> String {
    let extra = instance
        .as_array()
        .and_then(|items| items.get(limit..))
        .unwrap_or_default();
    let verb = if extra.len() > 1 { "were" } else { "was" };
    let items = extra.iter().map(python_repr).collect::<Vec<_>>().join(", ");
    format!("Additional items are not allowed ({items} {verb} unexpected)")
}

/// The alternatives that hold: all but the first in order, then the first.
fn several_valid(alternatives: &Value, valid: impl Iterator<Item = bool>) -> String {
    let alternatives = alternatives
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let holding = alternatives.iter().zip(valid).filter(|(_, valid)| *valid);
    let mut holding: Vec<String> = holding.map(|(schema, _)| python_repr(schema)).collect();
    if !holding.is_empty() {
        holding.rotate_left(1);
    }
    holding.join(", ")
}

fn too_few(quoted: &str, limit: u64, otherwise: &str) -> String {
    if limit == 1 {
        format!("{quoted} should be non-empty")
    } else {
        format!("{quoted} {otherwise}")
    }
}

fn too_many(quoted: &str, limit: u64, otherwise: &str) -> String {
    if limit == 0 {
        format!("{quoted} is expected to be empty")
    } else {
        format!("{quoted} {otherwise}")
    }
}
