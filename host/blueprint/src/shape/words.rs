//! How values and types are called in sentences.

use serde_json::Value;

/// How many names are listed.
const MAX_LISTED: usize = 12;

/// A type of JSON Schema.
pub(super) fn of_type(name: &str) -> &'static str {
    match name {
        "object" => "a table",
        "array" => "a list",
        "string" => "a string",
        "boolean" => "true or false",
        _ => "an integer",
    }
}

/// The type of a value.
pub(super) fn of_value(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "a table",
    }
}

/// A value itself, where it is short.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::Array(_) | Value::Object(_) => of_value(value).to_owned(),
        scalar => scalar.to_string(),
    }
}

/// A value without the quotes of a string.
pub(super) fn plain(value: &Value) -> String {
    let text = value.as_str().map(str::to_owned);
    text.unwrap_or_else(|| value.to_string())
}

/// `a` or `b`.
pub(super) fn either(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(" or ")
}

/// `a`, `b`, and how many more.
pub(super) fn listed(names: &[&str]) -> String {
    let shown = names.iter().take(MAX_LISTED);
    let shown: Vec<String> = shown.map(|name| format!("`{name}`")).collect();
    match names.len().saturating_sub(MAX_LISTED) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
