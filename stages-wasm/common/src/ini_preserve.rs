//! Changes single settings of an existing INI file and keeps everything else byte for byte.
//!
//! Option names match case-insensitively, section names exactly. A changed line keeps the spelling of its name, its separator and an
//! inline `; comment`.
#![allow(
    clippy::print_stderr,
    reason = "standard error of a component is its log"
)]
use osbuild_stage::{Context, Result, Tree, bail, ini};

/// Continuation lines of new values are indented by this.
const INDENT: &str = "        ";

/// An INI file being edited.
#[derive(Debug, Clone, Default)]
pub struct IniText {
    lines: Vec<Line>,
}

/// A line without its newline. The text is the lines joined by newlines, so that after a final newline there is an empty last line.
#[derive(Debug, Clone)]
struct Line {
    text: String,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    /// A header with the section's name.
    Section(String),
    /// The first line of an option, with the option's name in lower case.
    Option(String),
    /// A further line of the value above.
    Continuation,
    /// An empty line or a comment.
    Other,
}

impl IniText {
    /// Reads a file. Lines that are neither header, option, continuation, comment nor empty are errors, as are options before the
    /// first header.
    pub fn parse(text: &str) -> Result<Self> {
        let mut ini = Self::default();
        if text.is_empty() {
            return Ok(ini);
        }
        for (index, line) in text.split('\n').enumerate() {
            match ini.kind(line) {
                Some(kind) => ini.push(line, kind),
                None => bail!("line {}: `{line}` is not expected here", index + 1),
            }
        }
        Ok(ini)
    }

    /// What a line is after those read so far.
    fn kind(&self, line: &str) -> Option<Kind> {
        let trimmed = line.trim();
        let is_comment =
            trimmed.starts_with(['#', ';']) || line.to_ascii_lowercase().starts_with("rem ");
        if trimmed.is_empty() || is_comment {
            return Some(Kind::Other);
        }
        if let Some(name) = header(line) {
            return Some(Kind::Section(name.into()));
        }
        let last = self
            .lines
            .iter()
            .rev()
            .find(|line| line.kind != Kind::Other);
        match last?.kind {
            Kind::Option(_) | Kind::Continuation if line.starts_with(char::is_whitespace) => {
                Some(Kind::Continuation)
            }
            _ => option(line).map(|option| Kind::Option(option.name.to_lowercase())),
        }
    }

    fn push(&mut self, text: &str, kind: Kind) {
        if kind == Kind::Continuation {
            // Comments and empty lines within a value are part of it.
            let inner = self.lines.iter_mut().rev();
            inner
                .take_while(|line| line.kind == Kind::Other)
                .for_each(|line| line.kind = Kind::Continuation);
        }
        self.lines.push(Line {
            text: text.into(),
            kind,
        });
    }

    /// Whether there is such a section.
    pub fn has_section(&self, name: &str) -> bool {
        self.header_of(name).is_some()
    }

    /// Adds a section at the end, an empty line before it; one that exists stays.
    pub fn add_section(&mut self, name: &str) {
        if self.has_section(name) {
            return;
        }
        if !self.lines.is_empty() {
            self.push("", Kind::Other);
        }
        self.push(&format!("[{name}]"), Kind::Section(name.into()));
    }

    /// The value of an option, the lines of a longer one joined by newlines.
    pub fn get(&self, section: &str, name: &str) -> Option<String> {
        self.find(section, name).map(|at| self.value_at(at))
    }

    /// Changes an option, or adds it at the end of its section's options. The section must exist, and a `%` in the value must be
    /// `%%` or begin `%(`, because readers interpolate. With several options of this name the last one is changed.
    pub fn set(&mut self, section: &str, name: &str, value: &str) -> Result<()> {
        if ini::has_lone_percent(value) {
            bail!("[{section}] {name}: `%` must be written `%%` in {value:?}");
        }
        ini::check_setting(section, name, value)?;
        if value.contains(" ;") || value.contains("\t;") {
            bail!("[{section}] {name}: a comment begins at the `;` behind a blank in {value:?}");
        }
        let Some(header) = self.header_of(section) else {
            bail!("there is no section [{section}]");
        };
        let mut values = value.split('\n');
        let first = values.next().unwrap_or_default();
        let (old, first) = match self.find(section, name) {
            Some(at) if self.value_at(at) == value => return Ok(()),
            Some(at) => (
                at..self.end_of_value(at),
                replaced(&self.lines[at].text, first),
            ),
            None => {
                let end = self.end_of_options(header);
                (end..end, format!("{name} = {first}"))
            }
        };
        let first = Line {
            text: first,
            kind: Kind::Option(name.to_lowercase()),
        };
        let more = values.map(|text| Line {
            text: format!("{}{text}", if text.is_empty() { "" } else { INDENT }),
            kind: Kind::Continuation,
        });
        self.lines.splice(old, std::iter::once(first).chain(more));
        Ok(())
    }

    /// As [`IniText::set`]; a missing section is added.
    pub fn set_in(&mut self, section: &str, name: &str, value: &str) -> Result<()> {
        self.add_section(section);
        self.set(section, name, value)
    }

    /// The text of the file.
    pub fn render(&self) -> String {
        let lines: Vec<&str> = self.lines.iter().map(|line| line.text.as_str()).collect();
        lines.join("\n")
    }

    /// The last header of that name.
    fn header_of(&self, name: &str) -> Option<usize> {
        let mut lines = self.lines.iter();
        lines.rposition(|line| matches!(&line.kind, Kind::Section(section) if section == name))
    }

    /// The last option of that name in all parts of a section.
    fn find(&self, section: &str, name: &str) -> Option<usize> {
        let name = name.to_lowercase();
        let (mut inside, mut found) = (false, None);
        for (at, line) in self.lines.iter().enumerate() {
            match &line.kind {
                Kind::Section(header) => inside = header == section,
                Kind::Option(option) if inside && *option == name => found = Some(at),
                _ => {}
            }
        }
        found
    }

    /// The line behind the value that begins at `at`.
    fn end_of_value(&self, at: usize) -> usize {
        let more = self.lines[at + 1..].iter();
        at + 1
            + more
                .take_while(|line| line.kind == Kind::Continuation)
                .count()
    }

    /// The line behind the last option below a header, or behind the header.
    fn end_of_options(&self, header: usize) -> usize {
        let below = self.lines[header + 1..].iter();
        let section: Vec<&Line> = below
            .take_while(|line| !matches!(line.kind, Kind::Section(_)))
            .collect();
        let last = section.iter().rposition(|line| line.kind != Kind::Other);
        header + 1 + last.map_or(0, |last| last + 1)
    }

    fn value_at(&self, at: usize) -> String {
        let first = option(&self.lines[at].text).map_or("", |option| option.value);
        let more = self.lines[at + 1..self.end_of_value(at)].iter();
        let more = more.map(|line| line.text.trim());
        std::iter::once(first)
            .chain(more)
            .collect::<Vec<_>>()
            .join("\n")
    }
}

/// The text of a file of the tree that should be there; without it, a warning in the log and no text.
pub fn read(tree: &Tree, path: &str) -> Result<String> {
    let text = tree.read_if_exists(path)?;
    if text.is_none() {
        eprintln!("warning: /{path} is not in the tree, and is made");
    }
    Ok(text.unwrap_or_default())
}

/// Changes a file of the tree, which is made when missing.
pub fn edit(
    tree: &Tree,
    path: &str,
    change: impl FnOnce(&mut IniText) -> Result<()>,
) -> Result<()> {
    let text = tree.read_if_exists(path)?.unwrap_or_default();
    let mut file = IniText::parse(&text).with_context(|| tree.path(path))?;
    change(&mut file).with_context(|| tree.path(path))?;
    tree.write(path, file.render())
}

/// The name in a line `[NAME]`, which a comment may follow.
fn header(line: &str) -> Option<&str> {
    let (name, rest) = line.strip_prefix('[')?.split_once(']')?;
    let rest = rest.trim_start();
    let good = !name.is_empty() && (rest.is_empty() || rest.starts_with([';', '#']));
    good.then_some(name)
}

/// The parts of `NAME SEPARATOR VALUE ; COMMENT`.
struct Parts<'a> {
    name: &'a str,
    /// Name and separator as they are written.
    head: &'a str,
    value: &'a str,
    /// The column and text of the comment.
    comment: Option<(usize, &'a str)>,
}

fn option(line: &str) -> Option<Parts<'_>> {
    let line = line.trim_end();
    let separator = line.find([':', '='])?;
    let name = line[..separator].trim_end();
    if name.is_empty() || name.starts_with(|c: char| c == '[' || c.is_whitespace()) {
        return None;
    }
    let start = line.len() - line[separator + 1..].trim_start().len();
    let after_blank = |at: &usize| *at > start && line[..*at].ends_with(char::is_whitespace);
    let comment = line.match_indices(';').map(|(at, _)| at).find(after_blank);
    Some(Parts {
        name,
        head: &line[..start],
        value: line[start..comment.unwrap_or(line.len())].trim_end(),
        comment: comment.map(|at| (at, &line[at..])),
    })
}

/// The line with another value; its comment stays in its column when there is room.
fn replaced(line: &str, value: &str) -> String {
    let Some(parts) = option(line) else {
        return line.into();
    };
    let text = format!("{}{value}", parts.head);
    match parts.comment {
        Some((column, comment)) => {
            let width = column.saturating_sub(1);
            format!("{text:width$} {comment}")
        }
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `before`, set `[a] k = 2`, expected.
    #[track_caller]
    fn check(before: &str, after: &str) {
        let mut ini = IniText::parse(before).unwrap();
        ini.set_in("a", "k", "2").unwrap();
        assert_eq!(ini.render(), after, "{before:?}");
    }

    #[test]
    fn a_changed_line_keeps_spelling_separator_and_comment() {
        for (before, after) in [
            ("[a]\nk=1\n", "[a]\nk=2\n"),
            ("[a]\nK: 1\nx=1", "[a]\nK: 2\nx=1"),
            ("[a]\nk   =1 ; why\n", "[a]\nk   =2 ; why\n"),
            ("[a]\nk = longer  ; why\n", "[a]\nk = 2       ; why\n"),
            ("[a]\nk=a;b\n", "[a]\nk=2\n"),
            ("[a]\nk=2 ; same\n", "[a]\nk=2 ; same\n"),
            ("# x\n\n[a] ; header\nk=\n", "# x\n\n[a] ; header\nk=2\n"),
        ] {
            check(before, after);
        }
    }

    #[test]
    fn continuation_lines_go_with_their_value() {
        check(
            "[a]\nk = v\n  more\n\n  again\n# c\nx=1\n",
            "[a]\nk = 2\n# c\nx=1\n",
        );
        let ini = IniText::parse("[a]\nk = v\n  more\n").unwrap();
        assert_eq!(ini.get("a", "K").as_deref(), Some("v\nmore"));
    }

    #[test]
    fn the_last_of_several_equal_options_is_changed() {
        check("[a]\nk=1\nk=1\n[b]\nk=1\n", "[a]\nk=1\nk=2\n[b]\nk=1\n");
        check("[a]\nk=1\n[b]\n[a]\nx=1\n", "[a]\nk=2\n[b]\n[a]\nx=1\n");
    }

    #[test]
    fn a_new_option_follows_the_last_option_of_its_section() {
        for (before, after) in [
            ("[a]\n", "[a]\nk = 2\n"),
            ("[a]", "[a]\nk = 2"),
            (
                "[a]\nx=1\n\n# end\n\n[b]\ny=1\n",
                "[a]\nx=1\nk = 2\n\n# end\n\n[b]\ny=1\n",
            ),
            ("[a]\n# x\n[b]\n", "[a]\nk = 2\n# x\n[b]\n"),
            ("[a]\nx=1\n[b]\n[a]\n\n", "[a]\nx=1\n[b]\n[a]\nk = 2\n\n"),
        ] {
            check(before, after);
        }
    }

    #[test]
    fn a_new_section_goes_to_the_end() {
        for (before, after) in [
            ("", "[a]\nk = 2"),
            ("[b]\nx=1", "[b]\nx=1\n\n[a]\nk = 2"),
            ("[b]\nx=1\n", "[b]\nx=1\n\n\n[a]\nk = 2"),
            ("# x\n", "# x\n\n\n[a]\nk = 2"),
            ("[A]\n", "[A]\n\n\n[a]\nk = 2"),
        ] {
            check(before, after);
        }
    }

    #[test]
    fn values_of_several_lines_are_indented() {
        let mut ini = IniText::parse("[a]\nx=1\n").unwrap();
        ini.set("a", "k", "1\n2").unwrap();
        ini.set("a", "k", "3\n4").unwrap();
        assert_eq!(ini.render(), "[a]\nx=1\nk = 3\n        4\n");
    }

    #[test]
    fn unknown_sections_and_a_lone_percent_are_refused() {
        let mut ini = IniText::parse("[a]\n").unwrap();
        assert!(ini.set("b", "k", "1").is_err());
        assert!(ini.set("a", "k", "5%").is_err());
        assert!(ini.set("a", "k", "%(x)s").is_ok());
    }

    #[test]
    fn text_that_is_no_ini_file_is_refused_with_its_line() {
        for text in [
            "k=1\n",
            "[a]\nword\n",
            "[a]\n=1\n",
            "[a]\n  k=1\n",
            "[a]]\n",
            "[]\n",
        ] {
            let error = IniText::parse(text).unwrap_err().to_string();
            assert!(error.starts_with("line "), "{text}: {error}");
        }
    }
}
