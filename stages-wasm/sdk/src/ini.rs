//! Writers for INI files and systemd units.
use crate::{Number, Result, bail};
use indexmap::{IndexMap, IndexSet};
use serde_json::{Map, Value};

/// How an INI file looks.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    /// Between key and value, e.g. `=`.
    pub separator: &'static str,
    /// Whether keys are written in lower case.
    pub lower_case: bool,
    /// Whether a `%` must be `%%` or begin `%(` (the reader interpolates).
    pub interpolated: bool,
}

/// Refuses what a reader of sections and settings would take for something else: brackets in the name of a section, a separator in
/// that of a setting, what begins a comment, and blanks at the ends, which are lost.
pub fn check_setting(section: &str, key: &str, value: &str) -> Result<()> {
    for name in [section, key] {
        if name.contains(char::is_control) {
            bail!("{name:?} has a control character, and is to be one line");
        }
        if name.is_empty() || name.trim() != name {
            bail!("[{section}] {key}: a name is not empty, and has no blanks at its ends");
        }
    }
    if section.contains(']') {
        bail!("[{section}] {key}: the name of the section has a bracket");
    }
    if key.contains('=') || key.starts_with(['[', '#', ';']) {
        bail!("[{section}] {key:?}: this is no name of a setting");
    }
    if value.trim() != value {
        bail!("[{section}] {key}: blanks at the ends of {value:?} are no part of what is read");
    }
    Ok(())
}

/// An INI file being made: sections and keys in the order in which they were added, an empty line after every section.
#[derive(Debug, Clone)]
pub struct Ini {
    style: Style,
    sections: IndexMap<String, IndexMap<String, String>>,
}

impl Ini {
    /// An empty file.
    pub fn new(style: Style) -> Self {
        Self {
            style,
            sections: IndexMap::new(),
        }
    }

    /// Adds a section; one that exists stays. `DEFAULT` has a meaning of its own to readers and is refused.
    pub fn section(&mut self, name: &str) -> Result<()> {
        if name == "DEFAULT" {
            bail!("section name DEFAULT is reserved");
        }
        self.sections.entry(name.into()).or_default();
        Ok(())
    }

    /// Whether there is such a section.
    pub fn has_section(&self, name: &str) -> bool {
        self.sections.contains_key(name)
    }

    /// Sets a key, adding its section when missing. A newline in the value continues on an indented line.
    pub fn set(&mut self, section: &str, key: &str, value: &str) -> Result<()> {
        if self.style.interpolated && has_lone_percent(value) {
            bail!("[{section}] {key}: `%` must be written `%%` in {value:?}");
        }
        check_setting(section, key, value)?;
        // Readers strip blanks, so an indented line can still be a section or a setting.
        let more = value.lines().skip(1).map(str::trim_start);
        if let Some(line) = more
            .into_iter()
            .find(|line| line.starts_with('[') || line.contains('='))
        {
            bail!(
                "[{section}] {key}: the line {line:?} of the value would be a setting of its own"
            );
        }
        self.section(section)?;
        let key = if self.style.lower_case {
            key.to_lowercase()
        } else {
            key.into()
        };
        self.sections[section].insert(key, value.replace('\n', "\n\t"));
        Ok(())
    }

    /// The text of the file.
    pub fn render(&self) -> String {
        let mut text = String::new();
        for (name, keys) in &self.sections {
            text += &format!("[{name}]\n");
            for (key, value) in keys {
                text += &format!("{key}{}{value}\n", self.style.separator);
            }
            text.push('\n');
        }
        text
    }
}

/// Whether a value has a `%` that is neither `%%` nor begins `%(`, which readers that interpolate refuse.
pub fn has_lone_percent(value: &str) -> bool {
    let rest = value.replace("%%", "");
    rest.match_indices('%')
        .any(|(at, _)| !rest[at + 1..].starts_with('('))
}

/// A systemd unit or quadlet: a list makes a line per element (equal lines once), elements `{key, value}` make `KEY="key=value"`.
/// A `%` begins a specifier, as everywhere in a unit: those who write units mean it.
pub fn unit(config: &Map<String, Value>) -> Result<String> {
    let mut text = String::new();
    for (section, keys) in config {
        if section == "DEFAULT" {
            bail!("section name DEFAULT is reserved");
        }
        if section.contains(']') {
            bail!("section name {section:?} has a bracket");
        }
        let Value::Object(keys) = keys else {
            bail!("section {section} must be an object");
        };
        for key in keys.keys() {
            // systemd drops blanks at the ends of a value, so that they may be there.
            check_setting(section, key, "")?;
        }
        let mut lines = IndexSet::new();
        for (key, value) in keys {
            match value {
                Value::Array(items) => {
                    for item in items {
                        lines.insert(format!("{key}={}", element(item)?));
                    }
                }
                value => {
                    lines.insert(format!("{key}={}", scalar(value)?.replace('\n', "\n\t")));
                }
            }
        }
        if let Some(line) = lines.iter().find(|line| line.ends_with('\\')) {
            bail!("[{section}] {line:?} ends with a backslash, which takes in the next line");
        }
        text += &format!("[{section}]\n");
        lines.iter().for_each(|line| text += &format!("{line}\n"));
        text.push('\n');
    }
    Ok(text)
}

fn element(item: &Value) -> Result<String> {
    match item {
        Value::Object(pair) => match (pair.get("key"), pair.get("value")) {
            // systemd.syntax(7): within quotes a backslash begins an escape.
            (Some(key), Some(value)) => {
                let pair = format!("{}={}", scalar(key)?, scalar(value)?);
                let pair = pair.replace('\\', "\\\\").replace('"', "\\\"");
                Ok(format!("\"{pair}\""))
            }
            _ => bail!("a list element needs `key` and `value`"),
        },
        item => scalar(item),
    }
}

/// A scalar as osbuild prints it: `True`, `False`, `None`, numbers as [`Number`], strings as they are.
pub fn scalar(value: &Value) -> Result<String> {
    Ok(match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => Number::from(number).to_string(),
        Value::Bool(true) => "True".into(),
        Value::Bool(false) => "False".into(),
        Value::Null => "None".into(),
        Value::Array(_) | Value::Object(_) => bail!("expected one value, not {value}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const STYLE: Style = Style {
        separator: " = ",
        lower_case: true,
        interpolated: true,
    };

    #[test]
    fn every_section_ends_with_an_empty_line() {
        let mut ini = Ini::new(STYLE);
        ini.set("a", "Key", "1\n2").unwrap();
        ini.set("a", "kEY", "3").unwrap();
        ini.section("b").unwrap();
        assert_eq!(ini.render(), "[a]\nkey = 3\n\n[b]\n\n");
        ini.set("b", "x", "1\n2").unwrap();
        assert!(ini.render().ends_with("x = 1\n\t2\n\n"));
    }

    #[test]
    fn a_lone_percent_and_the_section_default_are_refused() {
        let mut ini = Ini::new(STYLE);
        for (value, good) in [("%%", true), ("%(x)s", true), ("5%", false), ("%%%", false)] {
            assert_eq!(ini.set("a", "k", value).is_ok(), good, "{value}");
        }
        assert!(ini.set("DEFAULT", "k", "v").is_err());
    }

    #[test]
    fn a_setting_of_a_unit_takes_in_no_other() {
        for text in [
            r#"{"Unit": {"Description": "x\\", "After": "y"}}"#,
            r#"{"Unit": {"After": ["x\\"]}}"#,
            r#"{"Unit]\u0020": {}}"#,
        ] {
            assert!(
                unit(&serde_json::from_str(text).unwrap()).is_err(),
                "{text}"
            );
        }
    }

    #[test]
    fn units_repeat_keys_and_collapse_equal_lines() {
        let config = serde_json::from_str(
            r#"{"Unit": {"After": ["a", "b", "a"], "X": true, "N": 1, "E": []},
                "Service": {"Environment": [{"key": "A", "value": "b c"}, {"key": "Q", "value": "\"\\ 5% %n"}], "ExecStart": "x"}}"#,
        )
        .unwrap();
        assert_eq!(
            unit(&config).unwrap(),
            "[Unit]\nAfter=a\nAfter=b\nX=True\nN=1\n\n[Service]\nEnvironment=\"A=b c\"\nEnvironment=\"Q=\\\"\\\\ 5% %n\"\nExecStart=x\n\n"
        );
    }
}
