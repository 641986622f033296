//! From a path to the bytes of the document that it names.

use super::Text;
use super::parse::Parser;
use crate::problem::PathElement;
use std::ops::Range;

/// Where in the text of a document a value is, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The name before it with its quotes, when it is a member of an object.
    pub name: Option<Range<usize>>,
    /// The value.
    pub value: Range<usize>,
}

/// Finds the value at a path, else the innermost one around it that is there. None when the text is no JSON document.
///
/// Paths are those of [`crate::problem::ValidationError`]: an element of an array may also be named by its member `name` (mounts are), and the
/// source `org.osbuild.curl` by its older name.
pub fn span(input: &[u8], path: &[PathElement]) -> Option<Span> {
    let text = std::str::from_utf8(input).ok()?;
    let mut here = value_at(text, 0, None)?.span;
    for step in path {
        match child(text, here.value.start, step) {
            Some(next) => here = next,
            None => break,
        }
    }
    Some(here)
}

/// One value in an array or object.
struct Child {
    key: Option<Text>,
    span: Span,
}

/// Reads the value that begins at `position` or after the blanks there.
fn value_at(text: &str, position: usize, name: Option<Range<usize>>) -> Option<Child> {
    let mut reader = Parser::at(text, position);
    reader.skip_blanks();
    let start = reader.position;
    reader.value().ok()?;
    let value = start..reader.position;
    Some(Child {
        key: None,
        span: Span { name, value },
    })
}

/// The member or element that a step leads to from the array or object that begins at `start`.
fn child(text: &str, start: usize, step: &PathElement) -> Option<Span> {
    let children = children(text, start)?;
    let find = |wanted: &str| {
        // Of duplicate names the last one counts.
        let is_it = |child: &&Child| match &child.key {
            Some(key) => key.to_string_lossy() == wanted,
            None => is_named(text, &child.span, wanted),
        };
        children.iter().rfind(is_it)
    };
    let found = match step {
        PathElement::Index(index) if children.iter().all(|child| child.key.is_none()) => {
            children.get(*index)
        }
        PathElement::Index(index) => find(&index.to_string()),
        PathElement::Key(key) if key == "org.osbuild.curl" => {
            find(key).or_else(|| find("org.osbuild.files"))
        }
        PathElement::Key(key) => find(key),
    };
    found.map(|child| child.span.clone())
}

/// Is this an object with that `name`?
fn is_named(text: &str, span: &Span, wanted: &str) -> bool {
    let value = Parser::at(text, span.value.start).value();
    value.is_ok_and(|value| {
        let name = value.get("name").and_then(|name| name.as_text());
        name.is_some_and(|name| name.to_string_lossy() == wanted)
    })
}

/// The members or elements of the array or object that begins at `start`; none of anything else.
fn children(text: &str, start: usize) -> Option<Vec<Child>> {
    let mut reader = Parser::at(text, start);
    let is_object = reader.take(b'{');
    if !is_object && !reader.take(b'[') {
        return None;
    }
    let mut children = Vec::new();
    loop {
        reader.skip_blanks();
        if matches!(reader.peek(), None | Some(b'}' | b']')) {
            return Some(children);
        }
        let mut key = None;
        let mut name = None;
        if is_object {
            let from = reader.position;
            key = Some(reader.string().ok()?);
            name = Some(from..reader.position);
            reader.skip_blanks();
            reader.take(b':');
        }
        let child = value_at(text, reader.position, name)?;
        reader.position = child.span.value.end;
        children.push(Child { key, ..child });
        reader.skip_blanks();
        reader.take(b',');
    }
}

#[cfg(test)]
mod tests {
    use super::span;
    use crate::problem::PathElement;

    const DOCUMENT: &str = r#" {"a": [1, {"name": "root", "x": "ä"}], "b": {"1": null, "b\u0062": -2.5e3, "1": [ ] },
        "sources": {"org.osbuild.files": true}} "#;

    fn at(path: &[PathElement]) -> (Option<&str>, &str) {
        let found = span(DOCUMENT.as_bytes(), path).unwrap();
        (
            found.name.map(|name| &DOCUMENT[name]),
            &DOCUMENT[found.value],
        )
    }

    #[test]
    fn a_path_leads_to_name_and_value() {
        let cases: [(&[PathElement], Option<&str>, &str); 7] = [
            (&["a".into(), 0.into()], None, "1"),
            (&["a".into(), 1.into(), "x".into()], Some("\"x\""), "\"ä\""),
            (
                &["a".into(), "root".into(), "x".into()],
                Some("\"x\""),
                "\"ä\"",
            ),
            (&["b".into(), "bb".into()], Some("\"b\\u0062\""), "-2.5e3"),
            // Of duplicates the last; the validator makes an index of a name with digits.
            (&["b".into(), 1.into()], Some("\"1\""), "[ ]"),
            (
                &["sources".into(), "org.osbuild.curl".into()],
                Some("\"org.osbuild.files\""),
                "true",
            ),
            (
                &["a".into(), 7.into(), "y".into()],
                Some("\"a\""),
                "[1, {\"name\": \"root\", \"x\": \"ä\"}]",
            ),
        ];
        for (path, name, value) in cases {
            assert_eq!(at(path), (name, value), "{path:?}");
        }
        assert_eq!(at(&[]).1, DOCUMENT.trim());
    }

    #[test]
    fn what_is_no_json_has_no_places() {
        for text in ["", "{", "{\"a\": [1, }", "\u{fffd}"] {
            assert_eq!(span(text.as_bytes(), &["a".into()]), None, "{text}");
        }
        assert_eq!(span(b"\xff", &[]), None);
    }
}
