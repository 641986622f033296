//! Drop-ins of systemd's daemons, and units that need a section of their own.
use osbuild_stage::ini::{self, Ini, Style};
use osbuild_stage::{IndexMap, Result, bail};
use serde::Deserialize;
use serde_json::{Map, Value};

/// The longest file name.
const LONGEST: usize = 255;

/// Options of a stage that writes a drop-in of a daemon.
#[derive(Debug, Deserialize)]
pub struct DropIn {
    /// Name of the file.
    pub filename: String,
    config: IndexMap<String, Map<String, Value>>,
}

impl DropIn {
    /// The content of the file.
    pub fn text(&self) -> Result<String> {
        text(&self.config)
    }
}

/// Whose unit it is.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnitPath {
    /// The distribution's, in /usr.
    #[default]
    Usr,
    /// The administrator's, in /etc.
    Etc,
}

/// Which manager a unit is for.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnitType {
    /// That of the system.
    #[default]
    System,
    /// That of every user.
    Global,
}

impl UnitType {
    /// The directory below systemd's.
    pub fn directory(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Global => "user",
        }
    }
}

/// The text of a drop-in: sections with `key=value` lines, in the order of the options.
fn text(config: &IndexMap<String, Map<String, Value>>) -> Result<String> {
    let mut file = Ini::new(Style {
        separator: "=",
        lower_case: false,
        interpolated: true,
    });
    for (section, keys) in config {
        file.section(section)?;
        for (key, value) in keys {
            let value = ini::scalar(value)?;
            if value.ends_with('\\') {
                bail!("[{section}] {key}: a backslash at the end takes in the next line");
            }
            file.set(section, key, &value)?;
        }
    }
    Ok(file.render())
}

/// Refuses a name that no directory takes.
pub fn check_name(filename: &str) -> Result<()> {
    if filename.len() > LONGEST {
        bail!("{filename}: a file name has at most {LONGEST} bytes");
    }
    Ok(())
}

/// Checks that a unit has the section that its suffix names: pairs of suffix and section.
pub fn check_unit(
    filename: &str,
    config: &Map<String, Value>,
    sections: &[(&str, &str)],
) -> Result<()> {
    check_name(filename)?;
    for (suffix, section) in sections {
        if filename.ends_with(suffix) && !config.contains_key(*section) {
            bail!("{filename} unit requires {section} section");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> IndexMap<String, Map<String, Value>> {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn sections_and_keys_keep_their_order_and_spelling() {
        let config = config(r#"{"Login": {"ReserveVT": 0, "NAutoVTs": 8}, "A": {}}"#);
        assert_eq!(
            text(&config).unwrap(),
            "[Login]\nReserveVT=0\nNAutoVTs=8\n\n[A]\n\n"
        );
    }

    #[test]
    fn a_lone_percent_and_lists_are_refused() {
        assert!(text(&config(r#"{"A": {"b": "5%"}}"#)).is_err());
        assert!(text(&config(r#"{"A": {"b": []}}"#)).is_err());
    }

    #[test]
    fn a_unit_needs_its_section_and_a_short_name() {
        let sections = [(".volume", "Volume")];
        let unit = |text| serde_json::from_str::<Map<String, Value>>(text).unwrap();
        assert!(check_unit("a.volume", &unit(r#"{"Volume": {}}"#), &sections).is_ok());
        assert!(check_unit("a.volume", &unit("{}"), &sections).is_err());
        assert!(check_name(&"x".repeat(256)).is_err());
    }
}
