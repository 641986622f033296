//! From the texts of a directory of definitions to one document a family. The build script uses this file too.
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Documents by family, each with the sections of all its files.
pub type Families = BTreeMap<String, Map<String, Value>>;

/// Why a text cannot be used: the path and the reason, with its place.
#[derive(Debug)]
pub struct TextError {
    /// Path below the directory of definitions.
    pub path: String,
    /// What is wrong.
    pub reason: String,
}

/// Joins files (`FAMILY/NAME.yaml`, `keys/NAME.asc`) to families. A family is called as its directory; what its files
/// say of one section is one section, and no name may be said twice.
pub fn families<'a>(
    files: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<Families, TextError> {
    let mut families = Families::new();
    for (path, text) in files {
        let place = path.split_once('/');
        let added = match place {
            Some(("keys", name)) if name.ends_with(".asc") => {
                let keys = families.entry("keys".into()).or_default();
                let name = name.trim_end_matches(".asc").to_owned();
                keys.insert(name, text.into());
                Ok(())
            }
            Some((family, name)) if name.ends_with(".yaml") && !name.contains('/') => {
                parse(text).and_then(|file| join(families.entry(family.into()).or_default(), file))
            }
            _ => Err("neither FAMILY/NAME.yaml nor keys/NAME.asc".into()),
        };
        added.map_err(|reason| TextError {
            path: path.into(),
            reason: reason.replace("<input>", path),
        })?;
    }
    Ok(families)
}

/// One YAML document. Only `true` and `false` are booleans.
fn parse(text: &str) -> Result<Map<String, Value>, String> {
    let options = serde_saphyr::options! { strict_booleans: true };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let said = error.to_string();
        said.strip_prefix("error: ").unwrap_or(&said).to_owned()
    })
}

fn join(family: &mut Map<String, Value>, file: Map<String, Value>) -> Result<(), String> {
    for (section, said) in file {
        match (family.get_mut(&section), said) {
            (None, said) => {
                family.insert(section, said);
            }
            (Some(Value::Array(all)), Value::Array(more)) => all.extend(more),
            (Some(Value::Object(all)), Value::Object(more)) => {
                for (name, value) in more {
                    if all.contains_key(&name) {
                        return Err(format!("{section}: {name} is in another file too"));
                    }
                    all.insert(name, value);
                }
            }
            _ => return Err(format!("{section}: another file says it in another form")),
        }
    }
    Ok(())
}
