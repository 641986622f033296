//! Write a tmpfiles.d drop-in.
#![forbid(unsafe_code)]
use osbuild_stage::Arguments;
use serde::Deserialize;
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
        arguments.tree.write(
            &format!("usr/lib/tmpfiles.d/{}", options.filename),
            options.config.iter().map(line).collect::<String>(),
        )
    })
}

/// Columns behind the last given one are left out, missing ones before it are `-`.
fn line(entry: &Entry) -> String {
    let more = [
        &entry.mode,
        &entry.user,
        &entry.group,
        &entry.age,
        &entry.argument,
    ];
    let more = more.map(|column| column.as_deref().filter(|text| !text.is_empty()));
    let given = more
        .iter()
        .rposition(Option::is_some)
        .map_or(0, |last| last + 1);
    let columns = more[..given].iter().map(|column| column.unwrap_or("-"));
    let start = [entry.kind.as_str(), &entry.path];
    let columns: Vec<&str> = start.into_iter().chain(columns).collect();
    columns.join(" ") + "\n"
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
        ] {
            assert_eq!(line(&serde_json::from_str(json).unwrap()), text);
        }
    }
}
