//! Turns the YAML of `definitions/` into one compact JSON text a family, which the program carries.
//!
//! Nothing is resolved here: that is for the moment when a type is asked for.
#![allow(clippy::disallowed_methods, reason = "it makes files of the build")]
use serde_json::{Map, Value};
use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

#[path = "src/definitions/texts.rs"]
mod texts;

fn main() -> Result<(), Box<dyn Error>> {
    let directory = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?).join("definitions");
    println!("cargo::rerun-if-changed=definitions");
    println!("cargo::rerun-if-changed=src/definitions/texts.rs");
    let files = read(&directory)?;
    let families = texts::families(
        files
            .iter()
            .map(|(path, text)| (path.as_str(), text.as_str())),
    )
    .map_err(|error| format!("{}: {}", error.path, error.reason))?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    let mut table = String::from("[\n");
    for (name, mut family) in families {
        let distributions = taken(&mut family, "distributions");
        let repositories = taken(&mut family, "repositories");
        for (part, value) in [
            ("json", Value::Object(family)),
            ("distributions.json", distributions),
            ("repositories.json", repositories),
        ] {
            std::fs::write(out.join(format!("{name}.{part}")), value.to_string())?;
        }
        let text = |part| format!("include_str!(concat!(env!(\"OUT_DIR\"), \"/{name}.{part}\"))");
        writeln!(
            table,
            "    Texts {{ name: {name:?}, distributions: {}, repositories: {}, rest: {} }},",
            text("distributions.json"),
            text("repositories.json"),
            text("json"),
        )?;
    }
    table.push(']');
    std::fs::write(out.join("families.rs"), table)?;
    Ok(())
}

fn taken(family: &mut Map<String, Value>, section: &str) -> Value {
    family
        .shift_remove(section)
        .unwrap_or_else(|| Value::Array(Vec::new()))
}

/// All files below the directory, by their path in it, sorted.
fn read(directory: &Path) -> Result<Vec<(String, String)>, Box<dyn Error>> {
    let mut files = Vec::new();
    for family in std::fs::read_dir(directory)? {
        let family = family?;
        for file in std::fs::read_dir(family.path())? {
            let file = file?;
            let place = [family.file_name(), file.file_name()].map(|name| name.into_string());
            let [Ok(family), Ok(name)] = place else {
                return Err("a name is not UTF-8".into());
            };
            files.push((
                format!("{family}/{name}"),
                std::fs::read_to_string(file.path())?,
            ));
        }
    }
    files.sort();
    Ok(files)
}
