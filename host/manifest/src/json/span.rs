//! From a path to the bytes of the document that it names.

use super::parse::Parser;
use crate::problem::PathElement;
use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

/// Where in the text of a document a value is, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The name before it with its quotes, when it is a member of an object.
    pub name: Option<Range<usize>>,
    /// The value.
    pub value: Range<usize>,
}

/// Where the values of a document are. What was found once is kept, so that many paths cost little more than one.
#[derive(Debug)]
pub struct Places<'t> {
    /// None when the document is no text.
    text: Option<&'t str>,
    /// What is in arrays and objects, by where they begin.
    known: HashMap<usize, Option<Rc<Children>>>,
}

/// The elements of an array or the members of an object.
#[derive(Debug)]
struct Children {
    spans: Vec<Span>,
    /// Of an object: the members by name; of duplicate names the last one counts.
    names: Option<HashMap<String, usize>>,
}

/// Finds the value at a path as [`Places::span`] does, for one path.
pub fn span(input: &[u8], path: &[PathElement]) -> Option<Span> {
    Places::new(input).span(path)
}

impl<'t> Places<'t> {
    /// The places of this document.
    pub fn new(input: &'t [u8]) -> Self {
        Self {
            text: std::str::from_utf8(input).ok(),
            known: HashMap::new(),
        }
    }

    /// Finds the value at a path, else the innermost one around it that is there. None when the text is no JSON document.
    ///
    /// Paths are those of [`crate::problem::ValidationError`]: an element of an array may also be named by its member `name` (mounts are),
    /// and the source `org.osbuild.curl` by its older name.
    pub fn span(&mut self, path: &[PathElement]) -> Option<Span> {
        let text = self.text?;
        let mut here = self.whole(text)?;
        for step in path {
            match self.child(text, here.value.start, step) {
                Some(next) => here = next,
                None => break,
            }
        }
        Some(here)
    }

    /// The value of the document; its place is kept as that of an only element before the first byte.
    fn whole(&mut self, text: &'t str) -> Option<Span> {
        const WHOLE: usize = usize::MAX;
        let read = || {
            let spans = vec![value_at(text, 0, None)?];
            Some(Rc::new(Children { spans, names: None }))
        };
        let whole = self.known.entry(WHOLE).or_insert_with(read).as_ref()?;
        whole.spans.first().cloned()
    }

    /// The member or element that a step leads to from the array or object that begins at `start`.
    fn child(&mut self, text: &'t str, start: usize, step: &PathElement) -> Option<Span> {
        let read = || children(text, start).map(Rc::new);
        let children = self.known.entry(start).or_insert_with(read).clone()?;
        let find = |wanted: &str| match &children.names {
            Some(names) => children.spans.get(*names.get(wanted)?),
            None => {
                let is_it = |span: &&Span| is_named(text, span, wanted);
                children.spans.iter().rfind(is_it)
            }
        };
        let found = match step {
            PathElement::Index(index) if children.names.is_none() => children.spans.get(*index),
            PathElement::Index(index) => find(&index.to_string()),
            PathElement::Key(key) if key == "org.osbuild.curl" => {
                find(key).or_else(|| find("org.osbuild.files"))
            }
            PathElement::Key(key) => find(key),
        };
        found.cloned()
    }
}

/// The value that begins at `position` or after the blanks there.
fn value_at(text: &str, position: usize, name: Option<Range<usize>>) -> Option<Span> {
    let mut reader = Parser::at(text, position);
    reader.skip_blanks();
    let start = reader.position;
    reader.value().ok()?;
    let value = start..reader.position;
    Some(Span { name, value })
}

/// Is this an object with that `name`?
fn is_named(text: &str, span: &Span, wanted: &str) -> bool {
    let value = Parser::at(text, span.value.start).value();
    value.is_ok_and(|value| {
        let name = value.get("name").and_then(|name| name.as_text());
        name.is_some_and(|name| name.to_string_lossy() == wanted)
    })
}

/// What is in the array or object that begins at `start`; none of anything else.
fn children(text: &str, start: usize) -> Option<Children> {
    let mut reader = Parser::at(text, start);
    let is_object = reader.take(b'{');
    if !is_object && !reader.take(b'[') {
        return None;
    }
    let mut spans = Vec::new();
    let mut names = is_object.then(HashMap::new);
    loop {
        reader.skip_blanks();
        if matches!(reader.peek(), None | Some(b'}' | b']')) {
            return Some(Children { spans, names });
        }
        let mut name = None;
        if let Some(names) = &mut names {
            let from = reader.position;
            let key = reader.string().ok()?;
            names.insert(key.to_string_lossy().into_owned(), spans.len());
            name = Some(from..reader.position);
            reader.skip_blanks();
            reader.take(b':');
        }
        let child = value_at(text, reader.position, name)?;
        reader.position = child.value.end;
        spans.push(child);
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
