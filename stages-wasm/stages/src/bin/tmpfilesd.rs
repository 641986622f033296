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

/// A column with blanks is quoted, unless it has quotes of its own (tmpfiles.d(5) reads both kinds).
fn quoted(column: &str) -> Cow<'_, str> {
    match column.contains(' ') && !column.contains(['"', '\'']) {
        true => format!("\"{column}\"").into(),
        false => column.into(),
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
        ] {
            assert_eq!(line(&serde_json::from_str(json).unwrap()).unwrap(), text);
        }
    }
}
