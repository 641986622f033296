//! Write a udev rules file.
#![forbid(unsafe_code)]
use osbuild_stage::Arguments;
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    filename: String,
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Rule {
    Comment { comment: Vec<String> },
    Items(Vec<Item>),
}

/// A match or an assignment.
#[derive(Deserialize)]
struct Item {
    key: Key,
    op: String,
    val: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Key {
    Plain(String),
    Named { name: String, arg: Option<String> },
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| {
        let options = &arguments.options;
        arguments.tree.write(
            &options.filename,
            options.rules.iter().map(rule).collect::<String>(),
        )
    })
}

fn rule(rule: &Rule) -> String {
    match rule {
        Rule::Comment { comment } => comment.iter().map(|line| format!("# {line}\n")).collect(),
        Rule::Items(items) => {
            let items: Vec<String> = items.iter().map(item).collect();
            items.join(", ") + "\n"
        }
    }
}

fn item(item: &Item) -> String {
    let key = match &item.key {
        Key::Named {
            name,
            arg: Some(argument),
        } => format!("{name}{{{argument}}}"),
        Key::Named { name, arg: None } | Key::Plain(name) => name.clone(),
    };
    format!("{key}{}\"{}\"", item.op, item.val.replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_their_argument_in_braces() {
        for (json, text) in [
            (r#"{"comment": ["a", "b"]}"#, "# a\n# b\n"),
            (
                r#"[{"key": "TAG", "op": "+=", "val": "x\"y"}, {"key": {"name": "ENV", "arg": "A"}, "op": "=", "val": ""}]"#,
                "TAG+=\"x\\\"y\", ENV{A}=\"\"\n",
            ),
            (
                r#"[{"key": {"name": "TAG"}, "op": "==", "val": "x"}]"#,
                "TAG==\"x\"\n",
            ),
        ] {
            assert_eq!(rule(&serde_json::from_str(json).unwrap()), text);
        }
    }
}
