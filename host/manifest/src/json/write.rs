//! The writers: the spellings of Python's `json.dumps`, and compact UTF-8.

use super::{Object, Text, Value};
use std::fmt::Write;

/// `json.dumps(value)`: ASCII, `", "` and `": "`, members in document order.
pub fn to_python(value: &Value) -> String {
    Style {
        item: ", ",
        colon: ": ",
        ascii: true,
        sorted: false,
        indent: None,
    }
    .write(value)
}

/// `json.dumps(value, sort_keys=True)`: what ids are digests of.
pub fn to_python_sorted(value: &Value) -> String {
    Style {
        item: ", ",
        colon: ": ",
        ascii: true,
        sorted: true,
        indent: None,
    }
    .write(value)
}

/// `json.dumps(value, indent=2)`.
pub fn to_python_indent2(value: &Value) -> String {
    Style {
        item: ",",
        colon: ": ",
        ascii: true,
        sorted: false,
        indent: Some(2),
    }
    .write(value)
}

/// Compact UTF-8 JSON, as other programs like it.
///
/// What plain JSON cannot say is written as Python does: `NaN` and `Infinity` as these words, a lone surrogate as its escape.
pub fn to_plain(value: &Value) -> String {
    Style {
        item: ",",
        colon: ":",
        ascii: false,
        sorted: false,
        indent: None,
    }
    .write(value)
}

struct Style {
    item: &'static str,
    colon: &'static str,
    ascii: bool,
    sorted: bool,
    indent: Option<usize>,
}

impl Style {
    fn write(&self, value: &Value) -> String {
        let mut out = String::new();
        self.value(&mut out, value, 0);
        out
    }

    fn value(&self, out: &mut String, value: &Value, level: usize) {
        match value {
            Value::Null => out.push_str("null"),
            Value::Bool(true) => out.push_str("true"),
            Value::Bool(false) => out.push_str("false"),
            Value::Number(number) => out.push_str(&number.to_string()),
            Value::String(text) => self.text(out, text),
            Value::Array(items) => self.sequence(out, "[]", items.iter(), level, |out, item| {
                self.value(out, item, level + 1);
            }),
            Value::Object(members) => self.object(out, members, level),
        }
    }

    fn object(&self, out: &mut String, members: &Object, level: usize) {
        let member = |out: &mut String, (key, value): (&Text, &Value)| {
            self.text(out, key);
            out.push_str(self.colon);
            self.value(out, value, level + 1);
        };
        if self.sorted {
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_by_key(|(key, _)| *key);
            self.sequence(out, "{}", sorted.into_iter(), level, member);
        } else {
            self.sequence(out, "{}", members.iter(), level, member);
        }
    }

    fn sequence<T>(
        &self,
        out: &mut String,
        brackets: &str,
        items: impl ExactSizeIterator<Item = T>,
        level: usize,
        mut one: impl FnMut(&mut String, T),
    ) {
        if items.len() == 0 {
            out.push_str(brackets);
            return;
        }
        let (open, close) = brackets.split_at(1);
        out.push_str(open);
        for (index, item) in items.enumerate() {
            if index > 0 {
                out.push_str(self.item);
            }
            self.newline(out, level + 1);
            one(out, item);
        }
        self.newline(out, level);
        out.push_str(close);
    }

    fn newline(&self, out: &mut String, level: usize) {
        if let Some(width) = self.indent {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', width * level));
        }
    }

    fn text(&self, out: &mut String, text: &Text) {
        out.push('"');
        for point in text.code_points() {
            self.point(out, point);
        }
        out.push('"');
    }

    fn point(&self, out: &mut String, point: u32) {
        match char::from_u32(point) {
            Some('"') => out.push_str("\\\""),
            Some('\\') => out.push_str("\\\\"),
            Some('\n') => out.push_str("\\n"),
            Some('\r') => out.push_str("\\r"),
            Some('\t') => out.push_str("\\t"),
            Some('\u{8}') => out.push_str("\\b"),
            Some('\u{c}') => out.push_str("\\f"),
            Some(plain @ ' '..='~') => out.push(plain),
            Some(other) if !self.ascii && other >= ' ' => out.push(other),
            Some(other) => other
                .encode_utf16(&mut [0; 2])
                .iter()
                .for_each(|unit| escape(out, *unit)),
            None => escape(out, point as u16),
        }
    }
}

fn escape(out: &mut String, unit: u16) {
    // Writing to a String cannot fail.
    let _ = write!(out, "\\u{unit:04x}");
}
