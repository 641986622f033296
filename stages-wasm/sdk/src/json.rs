//! JSON as osbuild reads and writes it.
use crate::Number;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::fmt::Write;

/// The value with separators `, ` and `: `, non-ASCII characters as `\uXXXX`, members in their order, and no newline at the end.
pub fn one_line(value: &Value) -> String {
    let mut text = String::new();
    put(&mut text, value);
    text
}

/// Whether osbuild counts a value as true: everything but `null`, `false`, zero and what is empty.
pub fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
    }
}

/// For `deserialize_with`: an option that osbuild only tests with [`is_true`].
pub fn truth<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Value::deserialize(deserializer).map(|value| is_true(&value))
}

fn put(text: &mut String, value: &Value) {
    match value {
        Value::Null | Value::Bool(_) => *text += &value.to_string(),
        Value::Number(number) => *text += &Number::from(number).to_string(),
        Value::String(string) => put_string(text, string),
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                *text += if index > 0 { ", " } else { "" };
                put(text, item);
            }
            text.push(']');
        }
        Value::Object(members) => {
            text.push('{');
            for (index, (key, member)) in members.iter().enumerate() {
                *text += if index > 0 { ", " } else { "" };
                put_string(text, key);
                *text += ": ";
                put(text, member);
            }
            text.push('}');
        }
    }
}

fn put_string(text: &mut String, string: &str) {
    text.push('"');
    for unit in string.encode_utf16() {
        match unit {
            0x22 => *text += "\\\"",
            0x5c => *text += "\\\\",
            0x08 => *text += "\\b",
            0x09 => *text += "\\t",
            0x0a => *text += "\\n",
            0x0c => *text += "\\f",
            0x0d => *text += "\\r",
            0x20..0x7f => text.push(char::from(unit as u8)),
            // Writing to a String cannot fail.
            _ => drop(write!(text, "\\u{unit:04x}")),
        }
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_empty_is_not_true() {
        for (text, expected) in [
            ("null", false),
            ("0", false),
            ("0.0", false),
            ("[]", false),
            ("{}", false),
            ("\"\"", false),
        ]
        .into_iter()
        .chain([("1", true), ("true", true), ("\"x\"", true), ("[0]", true)])
        {
            assert_eq!(
                is_true(&serde_json::from_str(text).unwrap()),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn one_line_is_ascii_with_blanks_after_separators() {
        let value = serde_json::from_str(
            "{\"b\":[1,2.0,\"\u{e4}\u{1f600}\\n\\u007f\"],\"a\":{},\"c\":null}",
        )
        .unwrap();
        assert_eq!(
            one_line(&value),
            r#"{"b": [1, 2.0, "\u00e4\ud83d\ude00\n\u007f"], "a": {}, "c": null}"#
        );
    }
}
