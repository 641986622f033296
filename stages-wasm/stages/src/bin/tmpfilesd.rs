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
    // The argument is all that is left of the line, blanks included.
    let argument = given(&entry.argument).map(Cow::from);
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
            '\\' => !is_number(&column[at + 1..]),
            _ => false,
        };
        text.extend(escaped.then_some('\\'));
        text.push(character);
    }
    (text + "\"").into()
}

/// Whether this is the rest of a byte that is written by its number.
fn is_number(rest: &str) -> bool {
    let digits = |text: Option<&str>, radix| {
        text.is_some_and(|text| text.chars().all(|c| c.is_digit(radix)))
    };
    match rest.strip_prefix('x') {
        Some(rest) => digits(rest.get(..2), 16),
        None => digits(rest.get(..3), 8),
    }
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
                r#"{"type": "d", "path": "/a\"b\\c\\x20d"}"#,
                "d \"/a\\\"b\\\\c\\x20d\"\n",
            ),
        ] {
            assert_eq!(line(&serde_json::from_str(json).unwrap()).unwrap(), text);
        }
    }
}
