//! Write a NetworkManager configuration file.
#![forbid(unsafe_code)]
use osbuild_stage::ini::Ini;
use osbuild_stage::{Arguments, IndexMap, Result};
use osbuild_stage_common::nm;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    path: String,
    settings: IndexMap<String, Section>,
}

/// One section, or several of a kind that are told apart by name.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "expected an object, or a list of {name, config}"
)]
enum Section {
    Keys(Map<String, Value>),
    Several(Vec<Named>),
}

#[derive(Deserialize)]
struct Named {
    name: Option<String>,
    config: Map<String, Value>,
}

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(&[], |arguments: Arguments<Options>| {
        let options = &arguments.options;
        nm::write(&arguments.tree, &options.path, &file(&options.settings)?)
    })
}

fn file(settings: &IndexMap<String, Section>) -> Result<Ini> {
    let mut file = nm::file();
    for (title, section) in settings {
        match section {
            Section::Keys(keys) => nm::add(&mut file, title, keys)?,
            Section::Several(several) => several.iter().try_for_each(|one| {
                let name = one.name.iter().filter(|name| !name.is_empty());
                let suffix: String = name.map(|name| format!("-{name}")).collect();
                nm::add(&mut file, &format!("{title}{suffix}"), &one.config)
            })?,
        }
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_of_a_kind_have_their_name_in_the_title() {
        let settings = serde_json::from_str(
            r#"{"device": [{"name": "a", "config": {"x": 1}}, {"config": {"y": 2}}], "main": {}}"#,
        )
        .unwrap();
        assert_eq!(
            file(&settings).unwrap().render(),
            "[device-a]\nx=1\n\n[device]\ny=2\n\n[main]\n\n"
        );
    }
}
