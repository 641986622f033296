//! Write RPM macros to a file.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, IndexMap, Result, bail, path};
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    filename: String,
    macros: IndexMap<String, Value>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a string or a list of strings")]
enum Value {
    Text(String),
    List(Vec<String>),
}

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(&[], |arguments: Arguments<Options>| {
        let (tree, options) = (&arguments.tree, &arguments.options);
        let text = text(&options.macros)?;
        tree.create_dir_all(path::parent(&options.filename))?;
        tree.write(&options.filename, text)
    })
}

fn text(macros: &IndexMap<String, Value>) -> Result<String> {
    let mut text = String::new();
    for (name, value) in macros {
        let value = match (name.as_str(), value) {
            ("_install_langs", Value::List(languages)) => languages.join(":"),
            ("_dbpath", Value::Text(path)) => path.clone(),
            _ => bail!("the macro {name} cannot have this value"),
        };
        if value.contains(['%', '\\', '{', '}']) {
            bail!("the macro {name} cannot have this value: {value:?} would be expanded by rpm");
        }
        if value.is_empty() || value.trim() != value {
            bail!("the macro {name} cannot have this value: of {value:?} rpm takes something else");
        }
        text += &format!("%{name} {value}\n");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn macros_are_lines_in_their_order() {
        let macros = |text| serde_json::from_str::<IndexMap<String, Value>>(text).unwrap();
        let good = macros(r#"{"_dbpath": "/db", "_install_langs": ["de", "en"]}"#);
        assert_eq!(
            text(&good).unwrap(),
            "%_dbpath /db\n%_install_langs de:en\n"
        );
        for bad in [
            r#"{"_install_langs": "en"}"#,
            r#"{"_dbpath": ["/db"]}"#,
            r#"{"_dbpath": "%(touch /x)"}"#,
            r#"{"_install_langs": ["de", "%{lua:x}"]}"#,
        ] {
            assert!(text(&macros(bad)).is_err(), "{bad}");
        }
    }
}
