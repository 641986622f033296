//! Write a tmpfiles.d drop-in.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Result, bail};
use serde::Deserialize;
use std::borrow::Cow;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    filename: String,
    config: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "type")]
    kind: String,
    path: String,
    mode: Option<String>,
    user: Option<String>,
    group: Option<String>,
    age: Option<String>,
    argument: Option<String>,
}

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(&[], |arguments: Arguments<Options>| {
        let options = &arguments.options;
        let lines: Vec<String> = options.config.iter().map(line).collect::<Result<_>>()?;
        arguments.tree.write(
            &format!("usr/lib/tmpfiles.d/{}", options.filename),
            lines.concat(),
        )
    })
}

/// Columns behind the last given one are left out, missing ones before it are `-`.
fn line(entry: &Entry) -> Result<String> {
    if entry.path.is_empty() {
        bail!("options.config: `path` is empty");
    }
    let words = [&entry.mode, &entry.user, &entry.group, &entry.age];
    let words = words.map(|column| given(column).map(quoted));
    let argument = given(&entry.argument).map(|text| argument(&entry.kind, text));
    let argument = argument.transpose()?.map(Cow::from);
    let more: Vec<_> = words.into_iter().chain([argument]).collect();
    let given = more
        .iter()
        .rposition(Option::is_some)
        .map_or(0, |last| last + 1);
    let columns = more.into_iter().take(given);
    let columns = columns.map(|column| column.unwrap_or("-".into()));
    let start = [quoted(&entry.kind), quoted(&entry.path)];
    let columns: Vec<_> = start.into_iter().chain(columns).collect();
    Ok(columns.join(" ") + "\n")
}

/// The argument: all that is left of the line, but for blanks at its ends. Contents, targets and sources of files have the
/// escapes of C (tmpfiles.d(5)); there such a blank is written by its number, and a backslash that begins no escape is written twice.
fn argument(kind: &str, text: &str) -> Result<String> {
    let inner = text.trim_matches(' ');
    if !kind.starts_with(['f', 'F', 'w', 'C', 'L']) {
        if inner != text {
            bail!(
                "options.config: argument {text:?}: blanks at its ends are no part of what is read"
            );
        }
        return Ok(text.into());
    }
    let start = text.len() - text.trim_start_matches(' ').len();
    let end = text.len() - start - inner.len();
    let blanks = |count: usize| "\\x20".repeat(count);
    Ok(blanks(start) + &escaped(inner) + &blanks(end))
}

fn escaped(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        let (escape, further) = after.split_at(escape(after));
        out += before;
        out += if escape.is_empty() { "\\\\" } else { "\\" };
        out += escape;
        rest = further;
    }
    out + rest
}

/// Bytes that an escape of C has behind its backslash; none where this is none.
fn escape(rest: &str) -> usize {
    let code = |length| {
        let code = rest
            .get(1..=length)
            .map(|text| u32::from_str_radix(text, 16));
        let character = code.and_then(Result::ok).and_then(char::from_u32);
        character
            .filter(|character| *character != '\0')
            .map(|_| length + 1)
    };
    let length = match rest.chars().next() {
        Some('a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' | 's' | '"' | '\'' | '\\') => Some(1),
        Some('u') => code(4),
        Some('U') => code(8),
        _ => byte(rest),
    };
    length.unwrap_or(0)
}

fn given(column: &Option<String>) -> Option<&str> {
    column.as_deref().filter(|text| !text.is_empty())
}

/// A column that tmpfiles.d(5) would read as another one is quoted; one that is in quotes stays as it is. Bytes that are written by their
/// number (`\x20`, `\040`) are those bytes.
fn quoted(column: &str) -> Cow<'_, str> {
    let is_quoted = |quote: char| {
        let inner = column
            .strip_prefix(quote)
            .and_then(|rest| rest.strip_suffix(quote));
        inner.is_some_and(|inner| !inner.contains([quote, '\\']))
    };
    let special = |c: char| c.is_whitespace() || "\"'\\".contains(c);
    if is_quoted('"') || is_quoted('\'') || !column.contains(special) {
        return column.into();
    }
    let mut text = String::from("\"");
    for (at, character) in column.char_indices() {
        let escaped = match character {
            '"' => true,
            '\\' => byte(&column[at + 1..]).is_none(),
            _ => false,
        };
        text.extend(escaped.then_some('\\'));
        text.push(character);
    }
    (text + "\"").into()
}

/// Characters of a byte that is written by its number, `x20` or `040`; files have no byte 0.
fn byte(rest: &str) -> Option<usize> {
    let (digits, radix) = match rest.strip_prefix('x') {
        Some(rest) => (rest.get(..2)?, 16),
        None => (rest.get(..3)?, 8),
    };
    let is_number = digits.chars().all(|c| c.is_digit(radix));
    let value = u8::from_str_radix(digits, radix)
        .ok()
        .filter(|value| is_number && *value > 0);
    value.map(|_| 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_end_with_the_last_that_is_given() {
        for (json, text) in [
            (r#"{"type": "d", "path": "/a"}"#, "d /a\n"),
            (
                r#"{"type": "d", "path": "/a", "mode": "", "group": "g", "age": ""}"#,
                "d /a - - g\n",
            ),
            (
                r#"{"type": "w", "path": "/a", "mode": "0644", "argument": "b c"}"#,
                "w /a 0644 - - - b c\n",
            ),
            (
                r#"{"type": "d", "path": "/a b", "user": "\"u v\""}"#,
                "d \"/a b\" - \"u v\"\n",
            ),
            (
                r#"{"type": "f", "path": "/a", "argument": " a\\n\\\\b\\q\\x2\\000\\u00e9\\ "}"#,
                "f /a - - - - \\x20a\\n\\\\b\\\\q\\\\x2\\\\000\\u00e9\\\\\\x20\n",
            ),
            (
                r#"{"type": "L", "path": "/a", "argument": "a\\b\\"}"#,
                "L /a - - - - a\\b\\\\\n",
            ),
            (
                r#"{"type": "d", "path": "/a\"b\\c\\x20d"}"#,
                "d \"/a\\\"b\\\\c\\x20d\"\n",
            ),
        ] {
            assert_eq!(line(&serde_json::from_str(json).unwrap()).unwrap(), text);
        }
        let blank = r#"{"type": "t", "path": "/a", "argument": " a=b"}"#;
        assert!(line(&serde_json::from_str(blank).unwrap()).is_err());
    }
}
