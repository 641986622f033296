//! Files of NetworkManager.
use osbuild_stage::ini::{self, Ini, Style};
use osbuild_stage::{Result, Tree, path};
use serde_json::Value;

/// Connections may hold secrets, so NetworkManager wants its files for root only.
const MODE: u32 = 0o600;

/// An empty file in NetworkManager's style.
pub fn file() -> Ini {
    Ini::new(Style {
        separator: "=",
        lower_case: false,
        interpolated: true,
    })
}

/// Adds the keys of an object to a section: lists are joined by commas, booleans are `true` and `false`.
pub fn add(file: &mut Ini, section: &str, keys: &serde_json::Map<String, Value>) -> Result<()> {
    file.section(section)?;
    keys.iter()
        .try_for_each(|(key, value)| file.set(section, key, &escaped(&text(value)?)))
}

/// A value as GLib writes it: a backslash begins an escape, and blanks at the ends would be lost.
fn escaped(value: &str) -> String {
    let blank = |c: char| c == ' ' || c == '\t';
    let text = value.trim_matches(blank);
    let (start, rest) = value.split_at(value.find(text).unwrap_or(0));
    let end = &rest[text.len()..];
    let blanks = |blanks: &str| blanks.replace(' ', "\\s").replace('\t', "\\t");
    let text = text.replace('\\', "\\\\");
    format!("{}{text}{}", blanks(start), blanks(end))
}

fn text(value: &Value) -> Result<String> {
    match value {
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(text).collect::<Result<_>>()?;
            Ok(items.join(","))
        }
        Value::Bool(value) => Ok(value.to_string()),
        other => ini::scalar(other),
    }
}

/// Writes the file with its parents.
pub fn write(tree: &Tree, to: &str, file: &Ini) -> Result<()> {
    tree.create_dir_all(path::parent(to))?;
    tree.write_with_mode(to, file.render(), MODE)?;
    tree.set_mode(to, MODE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_of_a_keyfile() {
        let keys = serde_json::from_str(r#"{"a": [1, "b", true], "b": false, "C": "x"}"#).unwrap();
        let mut file = file();
        add(&mut file, "s", &keys).unwrap();
        assert_eq!(file.render(), "[s]\na=1,b,true\nb=false\nC=x\n\n");
        for (value, text) in [(" a\\b ", "\\sa\\\\b\\s"), ("\t", "\\t"), ("a b", "a b")] {
            assert_eq!(escaped(value), text);
        }
    }
}
