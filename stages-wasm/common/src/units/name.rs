//! Names of units: `PREFIX.TYPE`, `PREFIX@.TYPE` (a template), `PREFIX@INSTANCE.TYPE`.
use osbuild_stage::{Error, Result};
use std::fmt;

const TYPES: [&str; 11] = [
    "service",
    "socket",
    "device",
    "mount",
    "automount",
    "swap",
    "target",
    "path",
    "timer",
    "slice",
    "scope",
];
/// The longest name.
const LONGEST: usize = 255;

/// A valid name of a unit.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UnitName(String);

impl UnitName {
    /// A name as people write it: without a type it is one of `default_type`.
    pub fn given(text: &str, default_type: &str) -> Result<Self> {
        Self::parse(text)
            .or_else(|| Self::parse(&format!("{text}.{default_type}")))
            .ok_or_else(|| Error::new(format!("`{text}` is no valid name of a unit")))
    }

    /// A complete name; none when it is not valid.
    pub fn parse(text: &str) -> Option<Self> {
        let (prefix, kind) = text.rsplit_once('.')?;
        let allowed = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
        let valid = TYPES.contains(&kind)
            && text.len() <= LONGEST
            && !prefix.is_empty()
            && !prefix.starts_with('@')
            && prefix.chars().all(allowed);
        valid.then(|| Self(text.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Type, e.g. `service`.
    pub fn kind(&self) -> &str {
        self.0.rsplit('.').next().unwrap_or_default()
    }

    /// Whether `Alias` means something to units of its type.
    pub fn may_have_aliases(&self) -> bool {
        let types = ["service", "socket", "target", "device", "timer", "path"];
        types.contains(&self.kind())
    }

    /// The name without its type.
    pub fn stem(&self) -> &str {
        &self.0[..self.0.len() - self.kind().len() - 1]
    }

    /// What stands before the `@`, or all of the stem.
    pub fn prefix(&self) -> &str {
        self.stem().split('@').next().unwrap_or_default()
    }

    /// What follows the `@`: empty for a template, none for a plain unit.
    pub fn instance(&self) -> Option<&str> {
        self.stem().split_once('@').map(|(_, instance)| instance)
    }

    /// Whether it is a template.
    pub fn is_template(&self) -> bool {
        self.instance() == Some("")
    }

    /// The template of an instance.
    pub fn template(&self) -> Option<Self> {
        self.instance()
            .filter(|instance| !instance.is_empty())
            .map(|_| self.with_instance(""))
    }

    /// The same with another instance.
    #[must_use]
    pub fn with_instance(&self, instance: &str) -> Self {
        Self(format!("{}@{instance}.{}", self.prefix(), self.kind()))
    }

    /// Replaces `%n`, `%N`, `%p`, `%i`, `%j`, `%%` and, by root, the names and numbers of user and group (`%u`, `%g`, `%U`, `%G`) in a setting of this unit's `[Install]` section.
    pub fn expand(&self, text: &str) -> Result<String> {
        let mut out = String::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            if c != '%' {
                out.push(c);
                continue;
            }
            match chars.next() {
                Some('n') => out += self.as_str(),
                Some('N') => out += self.stem(),
                Some('p') => out += self.prefix(),
                Some('i') => out += self.instance().unwrap_or_default(),
                Some('j') => out += self.prefix().rsplit('-').next().unwrap_or_default(),
                Some('u' | 'g') => out += "root",
                Some('U' | 'G') => out.push('0'),
                Some('%') => out.push('%'),
                other => {
                    return Err(Error::new(format!(
                        "{self}: specifier %{} in [Install] is not known here",
                        other.unwrap_or(' ')
                    )));
                }
            }
        }
        Ok(out)
    }
}

impl fmt::Display for UnitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_without_a_type_get_one() {
        assert_eq!(
            UnitName::given("sshd", "service").unwrap().as_str(),
            "sshd.service"
        );
        assert_eq!(
            UnitName::given("a.timer", "service").unwrap().as_str(),
            "a.timer"
        );
        assert_eq!(
            UnitName::given("a.b", "service").unwrap().as_str(),
            "a.b.service"
        );
        for bad in ["", "a/b", "a b", "@x"] {
            assert!(UnitName::given(bad, "service").is_err(), "{bad}");
        }
    }

    #[test]
    fn instances_and_templates() {
        let unit = UnitName::parse("getty@tty1.service").unwrap();
        assert_eq!(
            (unit.prefix(), unit.instance(), unit.kind()),
            ("getty", Some("tty1"), "service")
        );
        assert_eq!(unit.template().unwrap().as_str(), "getty@.service");
        assert!(unit.template().unwrap().is_template());
        assert_eq!(
            unit.expand("%p-%i-%N%%.%n").unwrap(),
            "getty-tty1-getty@tty1%.getty@tty1.service"
        );
    }
}
