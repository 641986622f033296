//! Write a .treeinfo file, computing checksums of listed files.
#![forbid(unsafe_code)]
use osbuild_stage::ini::{self, Ini, Style};
use osbuild_stage::{Arguments, Context, Error, Result, Tree, bail, path};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::io::Read;
use std::process::ExitCode;

const CHECKSUMS: &str = "checksums";

#[derive(Deserialize)]
struct Options {
    path: String,
    treeinfo: Map<String, Value>,
}

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(&[], |arguments: Arguments<Options>| {
        let (tree, mut options) = (&arguments.tree, arguments.options);
        let sections = &mut options.treeinfo;
        sections.insert("header".into(), json!({"version": "1.0"}));
        if let Some(Value::Array(files)) = sections.get(CHECKSUMS) {
            let sums = checksums(tree, files)?;
            match sums.is_empty() {
                true => sections.shift_remove(CHECKSUMS),
                false => sections.insert(CHECKSUMS.into(), Value::Object(sums)),
            };
        }
        tree.create_dir_all(path::parent(&options.path))?;
        tree.replace(&options.path, text(sections)?, 0o600)
    })
}

/// A digest for each path, under the path as it is given.
fn checksums(tree: &Tree, files: &[Value]) -> Result<Map<String, Value>> {
    let sum = |file: &Value| {
        let name = file
            .as_str()
            .ok_or_else(|| Error::new(format!("treeinfo.{CHECKSUMS}: {file} is no path")))?;
        let digest = sha256(tree.open(name)?).with_context(|| format!("cannot read {name}"))?;
        Ok((name.into(), format!("sha256:{digest}").into()))
    };
    files.iter().map(sum).collect()
}

fn sha256(mut from: impl Read) -> Result<String> {
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let length = from.read(&mut buffer)?;
        if length == 0 {
            break;
        }
        digest.update(&buffer[..length]);
    }
    let digest = digest.finalize();
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn text(sections: &Map<String, Value>) -> Result<String> {
    let mut file = Ini::new(Style {
        separator: "=",
        lower_case: false,
        interpolated: true,
    });
    for (name, section) in sections {
        match section {
            Value::Object(settings) => add(&mut file, name, settings)?,
            Value::Array(parts) => {
                for part in parts {
                    let Some(settings) = part.get("config").and_then(Value::as_object) else {
                        bail!("treeinfo.{name}: every element must have an object `config`");
                    };
                    match part.get("name").and_then(Value::as_str) {
                        Some(suffix) => add(&mut file, &format!("{name}-{suffix}"), settings)?,
                        None => add(&mut file, name, settings)?,
                    }
                }
            }
            _ => bail!("treeinfo.{name} must be a section or a list of sections"),
        }
    }
    Ok(file.render())
}

fn add(file: &mut Ini, section: &str, settings: &Map<String, Value>) -> Result<()> {
    file.section(section)?;
    settings
        .iter()
        .try_for_each(|(key, value)| file.set(section, key, &written(value)?))
}

fn written(value: &Value) -> Result<String> {
    Ok(match value {
        Value::Bool(value) => value.to_string(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(ini::scalar).collect::<Result<_>>()?;
            items.join(",")
        }
        value => ini::scalar(value)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_keep_order_and_lists_become_several() {
        let sections = json!({"b": {"X": ["p", "q"], "n": 1.5, "t": true}, "a": [{"name": "x", "config": {}}, {"config": {"k": "v"}}]});
        assert_eq!(
            text(sections.as_object().unwrap()).unwrap(),
            "[b]\nX=p,q\nn=1.5\nt=true\n\n[a-x]\n\n[a]\nk=v\n\n"
        );
        assert!(text(json!({"a": "b"}).as_object().unwrap()).is_err());
    }

    #[test]
    fn digests_are_those_of_the_standard() {
        assert_eq!(
            sha256(b"abc".as_slice()).unwrap(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
