//! TOML files: reading, and writing in one layout.
//!
//! Plain keys of a table come before its tables, arrays have an element per line, tables an empty line before their header.
//! Values are those of JSON; what TOML can hold beyond it (dates, infinities) is refused when read.
use osbuild_stage::{Context, Number, Result, bail};
use serde_json::{Map, Value};
use std::fmt::Write;

/// A nested array is indented by this.
const INDENT: &str = "    ";
/// The longest inline table of an array; an array with a longer one becomes `[[headers]]`.
const LONGEST_INLINE: usize = 95;

/// Reads a file, keys in their order.
pub fn parse(text: &str) -> Result<Map<String, Value>> {
    let table: ::toml::Table = ::toml::from_str(text)
        .map_err(|error| osbuild_stage::Error::new(error.message().to_owned()))
        .context("not a TOML file")?;
    plain_table(table)
}

fn plain_table(table: ::toml::Table) -> Result<Map<String, Value>> {
    let entries = table.into_iter();
    entries
        .map(|(key, value)| Ok((key, plain(value)?)))
        .collect()
}

fn plain(value: ::toml::Value) -> Result<Value> {
    Ok(match value {
        ::toml::Value::String(text) => text.into(),
        ::toml::Value::Integer(number) => number.into(),
        ::toml::Value::Float(number) if number.is_finite() => number.into(),
        ::toml::Value::Boolean(value) => value.into(),
        ::toml::Value::Array(items) => {
            Value::Array(items.into_iter().map(plain).collect::<Result<_>>()?)
        }
        ::toml::Value::Table(table) => Value::Object(plain_table(table)?),
        other => bail!("a TOML value of type {} is not supported", other.type_str()),
    })
}

/// The text of a file. `null` is an error.
pub fn write(table: &Map<String, Value>) -> Result<String> {
    let mut text = String::new();
    put_table(&mut text, table, &[])?;
    Ok(text)
}

/// Writes a table without its header: plain keys, then tables with their headers.
fn put_table(text: &mut String, table: &Map<String, Value>, path: &[&str]) -> Result<()> {
    let (tables, plain): (Vec<_>, Vec<_>) =
        table.iter().partition(|(_, value)| needs_header(value));
    for (name, value) in plain {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{} = {}", key(name), inline(value, "")?);
    }
    for (name, value) in tables {
        let path = [path, &[name]].concat();
        match value {
            Value::Object(inner) => {
                if inner.is_empty() || !inner.values().all(needs_header) {
                    put_header(text, "[", &path, "]");
                }
                put_table(text, inner, &path)?;
            }
            value => {
                for inner in value.as_array().into_iter().flatten() {
                    put_header(text, "[[", &path, "]]");
                    put_table(text, inner.as_object().unwrap_or(&Map::new()), &path)?;
                }
            }
        }
    }
    Ok(())
}

fn put_header(text: &mut String, open: &str, path: &[&str], close: &str) {
    if !text.is_empty() {
        text.push('\n');
    }
    let keys: Vec<String> = path.iter().copied().map(key).collect();
    *text += &format!("{open}{}{close}\n", keys.join("."));
}

/// Whether a value is a table, or an array of tables of which one is too long for a line.
fn needs_header(value: &Value) -> bool {
    let is_long = |item: &Value| {
        inline(item, "")
            .is_ok_and(|line| line.contains('\n') || line.chars().count() > LONGEST_INLINE)
    };
    match value {
        Value::Object(_) => true,
        Value::Array(items) => items.iter().all(Value::is_object) && items.iter().any(is_long),
        _ => false,
    }
}

/// A value behind its key, or an element of an array at this indentation.
fn inline(value: &Value, indent: &str) -> Result<String> {
    Ok(match value {
        Value::Null => bail!("TOML has no null"),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => Number::from(number).to_string(),
        Value::String(text) => quoted(text),
        Value::Array(items) if items.is_empty() => "[]".into(),
        Value::Array(items) => {
            let inner = format!("{indent}{INDENT}");
            let mut lines = String::from("[\n");
            for item in items {
                lines += &format!("{inner}{},\n", inline(item, &inner)?);
            }
            format!("{lines}{indent}]")
        }
        Value::Object(members) if members.is_empty() => "{}".into(),
        Value::Object(members) => {
            let pair = |(name, value): (&String, &Value)| {
                Ok(format!("{} = {}", key(name), inline(value, "")?))
            };
            let pairs: Vec<String> = members.iter().map(pair).collect::<Result<_>>()?;
            format!("{{ {} }}", pairs.join(", "))
        }
    })
}

fn key(name: &str) -> String {
    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if !name.is_empty() && name.bytes().all(is_bare) {
        name.into()
    } else {
        quoted(name)
    }
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => out += "\\\"",
            '\\' => out += "\\\\",
            '\n' => out += "\\n",
            '\r' => out += "\\r",
            '\x08' => out += "\\b",
            '\x0c' => out += "\\f",
            '\t' => out.push('\t'),
            other if other.is_ascii_control() => out += &format!("\\u{:04x}", u32::from(other)),
            other => out.push(other),
        }
    }
    out + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, toml: &str) {
        let table = serde_json::from_str(json).unwrap();
        assert_eq!(write(&table).unwrap(), toml, "{json}");
        assert_eq!(write(&parse(toml).unwrap()).unwrap(), toml, "{json}");
    }

    #[test]
    fn plain_keys_come_before_tables() {
        for (json, toml) in [
            ("{}", ""),
            (r#"{"a":{}}"#, "[a]\n"),
            (r#"{"a":{"b":{"x":1}}}"#, "[a.b]\nx = 1\n"),
            (
                r#"{"a":{"x":1,"b":{"y":"z"},"z":true}}"#,
                "[a]\nx = 1\nz = true\n\n[a.b]\ny = \"z\"\n",
            ),
            (
                r#"{"a":{"b":{"c":{}},"d":{"e":1.0}}}"#,
                "[a.b.c]\n\n[a.d]\ne = 1.0\n",
            ),
        ] {
            check(json, toml);
        }
    }

    #[test]
    fn arrays_have_an_element_per_line() {
        for (json, toml) in [
            (r#"{"a":[]}"#, "a = []\n"),
            (
                r#"{"a":[1,"b",[2,[]]]}"#,
                "a = [\n    1,\n    \"b\",\n    [\n        2,\n        [],\n    ],\n]\n",
            ),
            (
                r#"{"a":[{"b":1},{}]}"#,
                "a = [\n    { b = 1 },\n    {},\n]\n",
            ),
            (
                r#"{"a":[{"b":[1]},{"c":{"d":1}}]}"#,
                "[[a]]\nb = [\n    1,\n]\n\n[[a]]\n\n[a.c]\nd = 1\n",
            ),
        ] {
            check(json, toml);
        }
    }

    #[test]
    fn an_array_of_tables_too_long_for_a_line_has_headers() {
        for (length, start) in [(85, "a = [\n    { b"), (86, "[[a]]\nb = ")] {
            let table =
                serde_json::from_value(serde_json::json!({"a": [{"b": "\u{fc}".repeat(length)}]}));
            let text = write(&table.unwrap()).unwrap();
            assert!(text.starts_with(start), "{text}");
        }
    }

    #[test]
    fn strings_and_unusual_keys_are_quoted() {
        check(
            r#"{"a b":{"c.d":1,"":2,"\u00e9":"\u00e9\u007f\u0000\t\n\"\\\b\f\r/"}}"#,
            "[\"a b\"]\n\"c.d\" = 1\n\"\" = 2\n\"\u{e9}\" = \"\u{e9}\\u007f\\u0000\t\\n\\\"\\\\\\b\\f\\r/\"\n",
        );
    }

    #[test]
    fn what_json_cannot_hold_is_refused() {
        for text in ["a = 2020-01-01", "a = inf", "a ="] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(write(&serde_json::from_str(r#"{"a":null}"#).unwrap()).is_err());
    }
}
