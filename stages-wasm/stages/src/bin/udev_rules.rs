//! Write a udev rules file.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Result, bail};
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
    osbuild_stage::run_with_lines(&[], |arguments: Arguments<Options>| {
        let options = &arguments.options;
        let rules: Vec<_> = options.rules.iter().map(rule).collect::<Result<_>>()?;
        arguments.tree.write(&options.filename, rules.concat())
    })
}

fn rule(rule: &Rule) -> Result<String> {
    Ok(match rule {
        Rule::Comment { comment } => comment.iter().map(|line| format!("# {line}\n")).collect(),
        Rule::Items(items) => {
            let items: Vec<String> = items.iter().map(item).collect::<Result<_>>()?;
            items.join(", ") + "\n"
        }
    })
}

/// A `}` or a quote would end the argument of a key. In quotes udev knows only `\"` (udev(7)): a backslash at the end takes the quote in,
/// and with it what follows; where nothing follows the rule is none.
fn item(item: &Item) -> Result<String> {
    if let Key::Named {
        arg: Some(argument),
        ..
    } = &item.key
        && argument.contains(['{', '}', '"'])
    {
        bail!("options.rules: {argument:?} is no argument of a key");
    }
    if item.val.ends_with('\\') {
        bail!("options.rules: {:?} ends with a backslash", item.val);
    }
    let key = match &item.key {
        Key::Named {
            name,
            arg: Some(argument),
        } => format!("{name}{{{argument}}}"),
        Key::Named { name, arg: None } | Key::Plain(name) => name.clone(),
    };
    Ok(format!(
        "{key}{}\"{}\"",
        item.op,
        item.val.replace('"', "\\\"")
    ))
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
            assert_eq!(rule(&serde_json::from_str(json).unwrap()).unwrap(), text);
        }
    }

    #[test]
    fn no_value_begins_another_assignment() {
        for json in [
            r#"[{"key": "TAG", "op": "+=", "val": "x\\"}]"#,
            r#"[{"key": "TAG", "op": "+=", "val": "x\\"}, {"key": "TAG", "op": "+=", "val": ", RUN+=\"evil"}]"#,
            r#"[{"key": {"name": "ENV", "arg": "a}=\"\", RUN{program}+=\"evil\", ENV{b"}, "op": "=", "val": ""}]"#,
        ] {
            let parsed = serde_json::from_str(json).unwrap();
            assert!(rule(&parsed).is_err(), "{json}");
        }
    }
}
