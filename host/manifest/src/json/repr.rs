//! Values as Python literals: osbuild's validation messages quote them so.

use super::{Number, Text, Value};
use crate::printable::is_format;
use std::fmt::Write;

/// `repr(value)` of the value as Python reads it: `{'a': [1, True, None]}`.
pub fn python_repr(value: &Value) -> String {
    match value {
        Value::Null => "None".into(),
        Value::Bool(true) => "True".into(),
        Value::Bool(false) => "False".into(),
        Value::Number(Number::Float(float)) if !float.is_finite() => {
            float.to_string().to_lowercase()
        }
        Value::Number(number) => number.to_string(),
        Value::String(text) => python_repr_text(text),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(python_repr).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(members) => {
            let member =
                |(key, value)| format!("{}: {}", python_repr_text(key), python_repr(value));
            let members: Vec<String> = members.iter().map(member).collect();
            format!("{{{}}}", members.join(", "))
        }
    }
}

/// `repr(text)`: single quotes, double ones when the text has a single one and no double one.
pub fn python_repr_text(text: &Text) -> String {
    let has = |wanted: char| text.code_points().any(|point| point == u32::from(wanted));
    let quote = if has('\'') && !has('"') { '"' } else { '\'' };
    let mut out = String::from(quote);
    for point in text.code_points() {
        match char::from_u32(point) {
            Some('\n') => out.push_str("\\n"),
            Some('\r') => out.push_str("\\r"),
            Some('\t') => out.push_str("\\t"),
            Some('\\') => out.push_str("\\\\"),
            Some(character) if character == quote => out.extend(['\\', quote]),
            Some(character) if is_printable(character) => out.push(character),
            _ => escape(&mut out, point),
        }
    }
    out.push(quote);
    out
}

fn escape(out: &mut String, point: u32) {
    // Writing to a String cannot fail.
    let _ = match point {
        0..0x100 => write!(out, "\\x{point:02x}"),
        0x100..0x10000 => write!(out, "\\u{point:04x}"),
        _ => write!(out, "\\U{point:08x}"),
    };
}

/// Does Python show the character as it is? (Controls, separators, format characters and private use are escaped.)
fn is_printable(character: char) -> bool {
    let private = matches!(character, '\u{e000}'..='\u{f8ff}' | '\u{e0000}'..);
    let hidden = character.is_control() || is_format(character) || private;
    character == ' ' || !(hidden || character.is_whitespace())
}
