//! Regular expressions: what a pattern means to Python's `re.search`, said so that the validator understands it.
//!
//! The validator reads patterns as ECMAScript does. Different there: `$` does not match before a newline at the end, `\d` and `\w` know ASCII
//! only, and `.` stops at carriage returns too.

use crate::json::{Object, Text, Value};
use std::collections::HashMap;

/// What `\w` matches beyond ASCII: blocks of letters, as few ranges as will do.
///
/// `\p{L}\p{N}` would be exact, but a pattern such as `[\w.-]{1,250}` then makes an automaton of many megabytes.
const LETTERS: &str = "\u{aa}\u{b5}\u{ba}\u{c0}-\u{d6}\u{d8}-\u{f6}\u{f8}-\u{2c1}\u{370}-\u{1fff}\u{2c00}-\u{2dff}\u{3005}-\u{d7ff}\u{f900}-\u{fdcf}\u{10000}-\u{1efff}\u{20000}-\u{3ffff}";

/// Keywords whose value is a map of names to schemas.
const MAPS: [&str; 3] = ["properties", "patternProperties", "definitions"];
/// Keywords whose value is a schema or an array of schemas.
const SCHEMAS: [&str; 7] = [
    "items",
    "additionalItems",
    "additionalProperties",
    "not",
    "oneOf",
    "anyOf",
    "allOf",
];

/// The schema with its patterns rewritten; `patterns` learns rewritten -> original.
pub(super) fn rewrite(schema: &Value, patterns: &mut HashMap<String, String>) -> Value {
    match schema {
        Value::Array(items) => items
            .iter()
            .map(|item| rewrite(item, patterns))
            .collect::<Vec<_>>()
            .into(),
        Value::Object(members) => {
            let rewritten = members
                .iter()
                .map(|(key, value)| (key.clone(), rewrite_member(key, value, patterns)));
            Value::Object(rewritten.collect())
        }
        other => other.clone(),
    }
}

fn rewrite_member(key: &Text, value: &Value, patterns: &mut HashMap<String, String>) -> Value {
    match (key.as_str(), value) {
        (Some("pattern"), Value::String(text)) => remember(text, patterns).into(),
        (Some(map), Value::Object(schemas)) if MAPS.contains(&map) => {
            let named = |(name, schema): (&Text, &Value),
                         patterns: &mut HashMap<String, String>| {
                let name = if map == "patternProperties" {
                    remember(name, patterns)
                } else {
                    name.clone()
                };
                (name, rewrite(schema, patterns))
            };
            schemas
                .iter()
                .map(|member| named(member, patterns))
                .collect::<Object>()
                .into()
        }
        (Some(keyword), _) if SCHEMAS.contains(&keyword) => rewrite(value, patterns),
        _ => value.clone(),
    }
}

fn remember(text: &Text, patterns: &mut HashMap<String, String>) -> Text {
    let Some(original) = text.as_str() else {
        return text.clone();
    };
    let rewritten = from_python(original);
    patterns.insert(rewritten.clone(), original.to_owned());
    rewritten.into()
}

/// Rewrites one pattern.
fn from_python(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut characters = pattern.chars();
    let mut in_class = false;
    while let Some(character) = characters.next() {
        match character {
            '\\' => out.push_str(&escape(characters.next(), in_class)),
            '[' if !in_class => {
                in_class = true;
                out.push('[');
            }
            ']' => {
                in_class = false;
                out.push(']');
            }
            '$' if !in_class => out.push_str("\\n?$"),
            '.' if !in_class => out.push_str("[^\\n]"),
            other => out.push(other),
        }
    }
    out
}

fn escape(kind: Option<char>, in_class: bool) -> String {
    match (kind, in_class) {
        (Some('d'), _) => "\\p{Nd}".into(),
        (Some('w'), true) => format!("0-9A-Za-z_{LETTERS}"),
        (Some('w'), false) => format!("[0-9A-Za-z_{LETTERS}]"),
        (Some('D'), false) => "\\P{Nd}".into(),
        (Some('W'), false) => format!("[^0-9A-Za-z_{LETTERS}]"),
        (Some('Z'), false) => "$".into(),
        // Needless escapes that Python takes and ECMAScript (in Unicode mode) does not.
        (
            Some(
                plain @ ('@' | ':' | '%' | '#' | '=' | '<' | '>' | '!' | ',' | ';' | '"' | '\''
                | '`' | '~' | '&' | ' ' | '_'),
            ),
            _,
        ) => plain.into(),
        (Some(other), _) => format!("\\{other}"),
        (None, _) => "\\".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::from_python;
    use crate::json::parse;
    use crate::schema::Schema;

    fn matches(pattern: &str, text: &str) -> bool {
        let quote = |text: &str| crate::json::to_python(&text.into());
        let schema = Schema::compile(
            parse(format!("{{\"pattern\": {}}}", quote(pattern)).as_bytes()).unwrap(),
        )
        .unwrap();
        let mut errors = Vec::new();
        schema.check(&text.into(), &[], &mut errors);
        errors.is_empty()
    }

    #[test]
    fn patterns_mean_what_they_mean_to_python() {
        let cases = [
            ("^a$", "a", true),
            ("^a$", "a\n", true),
            ("^a$", "a\n\n", false),
            ("^a$", "ba", false),
            ("a", "bab", true),
            ("^\\d+$", "\u{663}", true),
            ("^[\\d]+$", "\u{663}", true),
            ("^\\w+$", "\u{e9}_1", true),
            ("^[\\w.-]+$", "\u{e9}.x-", true),
            ("^[\\w.-]{1,250}\\.conf$", "\u{4e2d}\u{1f600}.conf", false),
            ("^[\\w.-]{1,250}\\.conf$", "\u{4e2d}\u{3b1}.conf", true),
            ("^\\w$", "\u{2192}", false),
            ("^[$.]$", "$", true),
            ("^[$.]$", "a", false),
            ("^\\.$", "a", false),
            ("^.$", "\r", true),
            ("^.$", "\n", false),
            (r"^\/(?!\.\.)((?!\/\.\.\/).)+$", "/a/b", true),
            (r"^\/(?!\.\.)((?!\/\.\.\/).)+$", "/a/../b", false),
            (r"^\/(?!\.\.)((?!\/\.\.\/).)+$", "/../b", false),
            (r"^\/(?!\.\.)((?!\/\.\.\/).)+$", "/", false),
            ("^[a-zA-Z][a-zA-Z0-9_\\-\\.]{0,254}", "ok/../x", true),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(
                matches(pattern, text),
                expected,
                "{pattern} on {text:?} as {}",
                from_python(pattern)
            );
        }
    }
}
