//! Write the configuration of containers-storage.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Context, Result, Tree};
use osbuild_stage_common::toml;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::process::ExitCode;

const HEAD: &str = "\
# Where containers and their images are stored: see containers-storage.conf(5).
# Written by osbuild-wasm.
";

#[derive(Deserialize)]
struct Options {
    filename: Option<String>,
    filebase: Option<String>,
    #[serde(default)]
    comment: Vec<String>,
    config: Config,
}

#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    storage: Map<String, Value>,
}

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(&[], |arguments: Arguments<Options>| {
        let (tree, options) = (&arguments.tree, &arguments.options);
        let file = options.filename.as_deref();
        let file = file.unwrap_or("/etc/containers/storage.conf");
        let mut data = match &options.filebase {
            Some(base) => toml::parse(&Tree::contract().read_to_string(base)?).context(base)?,
            None => Map::new(),
        };
        if let Some(present) = tree.read_if_exists(file)? {
            let present = toml::parse(&present).context(file)?;
            if let Some(Value::Object(storage)) = present.get("storage") {
                merge_storage(&mut data, storage);
            }
        }
        merge_storage(&mut data, &options.config.storage);
        tree.write(file, text(&options.comment, &data)?)
    })
}

/// Merges into the table `storage`, which appears when there is something to merge.
fn merge_storage(data: &mut Map<String, Value>, storage: &Map<String, Value>) {
    if !storage.is_empty() {
        let new = Map::from_iter([("storage".into(), storage.clone().into())]);
        merge(data, &new);
    }
}

/// Tables are merged, anything else is replaced. Known keys keep their place.
fn merge(into: &mut Map<String, Value>, from: &Map<String, Value>) {
    for (key, value) in from {
        match (into.get_mut(key), value) {
            (Some(Value::Object(old)), Value::Object(new)) => merge(old, new),
            _ => drop(into.insert(key.clone(), value.clone())),
        }
    }
}

fn text(comment: &[String], data: &Map<String, Value>) -> Result<String> {
    let comment: String = comment.iter().map(|line| format!("# {line}\n")).collect();
    Ok(format!("{HEAD}\n{comment}\n{}", toml::write(data)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_merged_and_values_replaced() {
        let map = |text| serde_json::from_str::<Map<String, Value>>(text).unwrap();
        let mut data = map(r#"{"storage": {"a": 1, "t": {"x": 1}}, "other": 2}"#);
        merge_storage(&mut data, &map(r#"{"t": {"y": 2}, "a": {"z": 3}}"#));
        merge_storage(&mut data, &Map::new());
        assert_eq!(
            Value::from(data).to_string(),
            r#"{"storage":{"a":{"z":3},"t":{"x":1,"y":2}},"other":2}"#
        );
    }
}
