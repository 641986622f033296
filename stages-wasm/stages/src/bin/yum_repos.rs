//! Create a yum or dnf repository file.
#![forbid(unsafe_code)]
use osbuild_stage::ini::{self, Ini, Style};
use osbuild_stage::{Arguments, Result, bail};
use osbuild_stage_common::fields::word;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::process::ExitCode;

const DIRECTORY: &str = "etc/yum.repos.d";

/// Keys that come first, in this order.
const FIRST: [&str; 8] = [
    "name",
    "baseurl",
    "metalink",
    "mirrorlist",
    "enabled",
    "gpgcheck",
    "repo_gpgcheck",
    "gpgkey",
];

#[derive(Deserialize)]
struct Options {
    filename: String,
    repos: Vec<Map<String, Value>>,
}

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(&[], |arguments: Arguments<Options>| {
        let (tree, options) = (&arguments.tree, &arguments.options);
        let text = text(&options.repos)?;
        tree.create_dir_all(DIRECTORY)?;
        tree.write_new(&format!("{DIRECTORY}/{}", options.filename), text)
    })
}

fn text(repositories: &[Map<String, Value>]) -> Result<String> {
    let mut file = Ini::new(Style {
        separator: "=",
        lower_case: true,
        interpolated: true,
    });
    for repository in repositories {
        let Some(Value::String(id)) = repository.get("id") else {
            bail!("a repository needs an `id`");
        };
        if file.has_section(id) {
            bail!("two repositories have the id `{id}`");
        }
        file.section(id)?;
        let first = FIRST.into_iter().filter_map(|key| {
            let value = repository.get(key).filter(|value| !value.is_null())?;
            Some((key, value))
        });
        let rest = repository.iter().map(|(key, value)| (key.as_str(), value));
        let rest = rest.filter(|(key, _)| *key != "id" && !FIRST.contains(key));
        for (key, value) in first.chain(rest) {
            file.set(id, key, &text_of(value)?)?;
        }
    }
    Ok(file.render())
}

fn text_of(value: &Value) -> Result<String> {
    match value {
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(ini::scalar).collect::<Result<_>>()?;
            items.iter().try_for_each(|item| word("repos", item))?;
            Ok(items.join(" "))
        }
        Value::Bool(value) => Ok(u8::from(*value).to_string()),
        value => ini::scalar(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(json: &str) -> Result<String> {
        text(&serde_json::from_str::<Vec<_>>(json).unwrap())
    }

    #[test]
    fn well_known_keys_come_first() {
        assert_eq!(
            of(
                r#"[{"cost": 5, "gpgcheck": true, "id": "a", "baseurl": ["x", "y"], "name": null}]"#
            )
            .unwrap(),
            "[a]\nbaseurl=x y\ngpgcheck=1\ncost=5\n\n"
        );
    }

    #[test]
    fn an_id_names_one_repository() {
        for bad in [
            r#"[{"id": "a"}, {"id": "a"}]"#,
            r#"[{}]"#,
            r#"[{"id": "a", "name": "5%"}]"#,
        ] {
            assert!(of(bad).is_err(), "{bad}");
        }
    }
}
