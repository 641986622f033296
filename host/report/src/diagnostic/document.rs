//! What is wrong with a document, shown in its text.

use crate::style::Colour;
use crate::text::{count, last_chars};
use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Renderer, Snippet};
use osbuild_wasm_manifest::json::{Places, Span, SyntaxError};
use osbuild_wasm_manifest::printable::{printable, printable_line};
use osbuild_wasm_manifest::problem::{PathElement, ValidationError, render_path};
use std::collections::BTreeSet;
use std::ops::Range;

/// How many problems are shown.
const MAX_SHOWN: usize = 20;
/// How many characters of a message: some quote a whole part of the document, which stands below anyway.
const MAX_MESSAGE: usize = 240;
/// How many bytes of the document are underlined.
const MAX_UNDERLINED: usize = 1 << 10;
/// How many bytes of the document are shown from there on.
const MAX_SHOWN_BYTES: usize = 4 << 10;
/// How many lines of the document stand around the offending one.
const LINES_AROUND: usize = 1;

/// A document as the user gave it.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// How the user calls it; `-` is standard input.
    pub name: &'a str,
    /// Its text.
    pub text: &'a [u8],
}

impl Source<'_> {
    /// The problems of the document, each with its line, the offending text underlined. `width` is that of the terminal in columns.
    pub fn problems(&self, errors: &[ValidationError], colour: Colour, width: usize) -> String {
        let mut places = Places::new(self.text);
        let findings: Vec<_> = errors
            .iter()
            .map(|error| self.finding(error, &mut places))
            .collect();
        self.findings(&findings, colour, width)
    }

    /// The same of findings whose places are known.
    pub fn findings(&self, findings: &[Finding<'_>], colour: Colour, width: usize) -> String {
        let mut text = String::new();
        let mut told = BTreeSet::new();
        for finding in findings.iter().take(MAX_SHOWN) {
            let start = finding.places.first().map(|place| place.start);
            // osbuild tells of a mount twice, once by its index and once by its name.
            if told.insert((start, &finding.message)) {
                text += &self.render(finding, &shortened(&finding.message), colour, width);
                text += "\n\n";
            }
        }
        if findings.len() > MAX_SHOWN {
            let more = count(findings.len() - MAX_SHOWN, "more problem");
            text += &format!("and {more}; --json lists all\n");
        }
        text.trim_end().to_owned() + "\n"
    }

    fn finding<'e>(&self, error: &'e ValidationError, places: &mut Places<'_>) -> Finding<'e> {
        Finding {
            is_warning: false,
            message: error.message.clone(),
            places: self.places(error, places),
            label: error.expected.as_deref(),
            place: Some(render_path(&error.path)).filter(|_| !error.path.is_empty()),
            hint: error.hint.as_deref(),
        }
    }

    /// The syntax error of a document that is no JSON.
    pub fn syntax(&self, error: &SyntaxError, colour: Colour, width: usize) -> String {
        let finding = Finding {
            is_warning: false,
            message: format!(
                "{} is not JSON: line {}, column {}: {}",
                self.shown_name(),
                error.line,
                error.column,
                error.message
            ),
            places: std::iter::once(error.offset..error.offset).collect(),
            label: Some("here"),
            place: None,
            hint: None,
        };
        self.render(&finding, &finding.message, colour, width) + "\n"
    }

    /// What is wrong at an offset of a document of another format.
    pub fn point(
        &self,
        title: String,
        offset: usize,
        hint: Option<&str>,
        colour: Colour,
        width: usize,
    ) -> String {
        let finding = Finding {
            is_warning: false,
            message: title,
            places: std::iter::once(offset..offset).collect(),
            label: Some("here"),
            place: None,
            hint,
        };
        self.render(&finding, &finding.message, colour, width) + "\n"
    }

    fn shown_name(&self) -> &str {
        match self.name {
            "-" => "standard input",
            name => name,
        }
    }

    /// What to underline.
    fn places(&self, error: &ValidationError, places: &mut Places<'_>) -> Vec<Range<usize>> {
        let mut member = |name: &String| {
            let mut path = error.path.clone();
            path.push(PathElement::Key(name.clone()));
            let found = places.span(&path)?;
            let name = found.name.clone()?;
            let end = self.telling(found).end;
            Some(name.start..name.end.max(end))
        };
        let members: Vec<_> = error.members.iter().filter_map(&mut member).collect();
        if !members.is_empty() {
            return members;
        }
        let found = places.span(&error.path);
        found.map(|found| self.telling(found)).into_iter().collect()
    }

    /// Of an array or object only its name, or the bracket it begins with.
    fn telling(&self, span: Span) -> Range<usize> {
        let start = span.value.start;
        match (self.text.get(start), span.name) {
            (Some(b'{' | b'['), Some(name)) => name,
            (Some(b'{' | b'['), None) => start..start + 1,
            _ => span.value,
        }
    }

    fn render(&self, finding: &Finding<'_>, title: &str, colour: Colour, width: usize) -> String {
        let renderer = match colour {
            Colour::Never => Renderer::plain(),
            Colour::Always => Renderer::styled(),
        };
        let text = String::from_utf8_lossy(self.text);
        let place = finding.place.as_ref();
        let place = place.map(|place| format!("at {}", printable_line(&shortened(place))));
        let notes = [
            place.map(|place| Level::NOTE.message(place)),
            finding
                .hint
                .map(|hint| Level::HELP.message(shortened(hint))),
        ];
        let level = match finding.is_warning {
            true => Level::WARNING,
            false => Level::ERROR,
        };
        let title = printable(title).into_owned();
        let mut group = Group::with_title(level.primary_title(title));
        // Offsets into text that is not UTF-8 do not fit what would be shown of it.
        if let (Some(first), true) = (finding.places.first(), text.len() == self.text.len()) {
            group = group.element(self.snippet(&text, first, finding));
        }
        group = group.elements(notes.into_iter().flatten());
        renderer.term_width(width).render(&[group])
    }

    fn snippet<'t>(
        &'t self,
        text: &'t str,
        first: &Range<usize>,
        finding: &Finding<'t>,
    ) -> Snippet<'t, Annotation<'t>> {
        let most = text.floor_char_boundary(first.start + MAX_UNDERLINED);
        let first = &(first.start..first.end.min(most));
        let shown = lines_around(text, first);
        let before = text.get(..shown.start).unwrap_or_default();
        let inside = |place: &&Range<usize>| shown.start <= place.start && place.end <= shown.end;
        let annotation = |(index, place): (usize, &Range<usize>)| {
            let (kind, label) = match index {
                0 => (AnnotationKind::Primary, finding.label),
                _ => (AnnotationKind::Context, None),
            };
            kind.span(place.start - shown.start..place.end - shown.start)
                .label(label)
        };
        Snippet::source(text.get(shown.clone()).unwrap_or_default())
            .line_start(before.matches('\n').count() + 1)
            .path(self.shown_name())
            .annotations(
                std::iter::once(first)
                    .chain(finding.places.iter().skip(1))
                    .filter(inside)
                    .enumerate()
                    .map(annotation),
            )
    }
}

/// What is shown of one problem.
#[derive(Clone, Debug)]
pub struct Finding<'a> {
    /// Whether the document can be used nevertheless.
    pub is_warning: bool,
    /// What is wrong, in one sentence.
    pub message: String,
    /// What to underline, in bytes of the text; the first is the point.
    pub places: Vec<Range<usize>>,
    /// What was expected, to stand beside the offending text.
    pub label: Option<&'a str>,
    /// The member of the document.
    pub place: Option<String>,
    /// What could be done about it.
    pub hint: Option<&'a str>,
}

/// The lines around a place.
fn lines_around(text: &str, place: &Range<usize>) -> Range<usize> {
    let before = text.get(..place.start).unwrap_or_default();
    let after = text.get(place.end..).unwrap_or_default();
    let start = before.rmatch_indices('\n').nth(LINES_AROUND);
    let end = after.match_indices('\n').nth(LINES_AROUND);
    let start = start.map_or(0, |(at, _)| at + 1);
    let end = end.map_or(text.len(), |(at, _)| place.end + at);
    start..end.min(text.floor_char_boundary(place.start + MAX_SHOWN_BYTES))
}

fn shortened(message: &str) -> String {
    let (end, hidden) = last_chars(message, MAX_MESSAGE);
    if hidden == 0 {
        message.to_owned()
    } else {
        format!("...{end}")
    }
}
