//! What a distribution says about new accounts: /etc/login.defs and /etc/default/useradd.
use osbuild_stage::{IndexMap, Result, Tree};

/// Directory whose content a new home directory gets, unless the settings name another.
pub const SKELETON: &str = "/etc/skel";

/// Settings of the tree, with the defaults of the shadow tools.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    login: IndexMap<String, String>,
    useradd: IndexMap<String, String>,
}

impl Settings {
    /// Reads both files; a missing one is empty.
    pub fn read(tree: &Tree) -> Result<Self> {
        let text =
            |path| Ok::<_, osbuild_stage::Error>(tree.read_if_exists(path)?.unwrap_or_default());
        Ok(Self::parse(
            &text("etc/login.defs")?,
            &text("etc/default/useradd")?,
        ))
    }

    /// Parses the texts of login.defs and default/useradd.
    pub fn parse(login: &str, useradd: &str) -> Self {
        let lines = |text: &str, separator: fn(char) -> bool| {
            let lines = text
                .lines()
                .map(str::trim)
                .filter(|line| !line.is_empty() && !line.starts_with('#'));
            let pairs = lines.filter_map(|line| line.split_once(separator));
            pairs
                .map(|(key, value)| {
                    (
                        key.trim().to_owned(),
                        value.trim().trim_matches('"').to_owned(),
                    )
                })
                .collect()
        };
        Self {
            login: lines(login, char::is_whitespace),
            useradd: lines(useradd, |c| c == '='),
        }
    }

    /// A number of login.defs: decimal, octal with `0` or hexadecimal with `0x`.
    pub fn number(&self, key: &str) -> Option<u32> {
        let text = self.login.get(key)?;
        match (text.strip_prefix("0x"), text.strip_prefix('0')) {
            (Some(digits), _) => u32::from_str_radix(digits, 16).ok(),
            (None, Some(digits)) if !digits.is_empty() => u32::from_str_radix(digits, 8).ok(),
            _ => text.parse().ok(),
        }
    }

    /// Whether login.defs says `yes`.
    pub fn is_on(&self, key: &str) -> bool {
        self.login
            .get(key)
            .is_some_and(|value| value.eq_ignore_ascii_case("yes"))
    }

    /// A text of login.defs.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.login.get(key).map(String::as_str)
    }

    /// A value of default/useradd that is not empty.
    pub fn useradd(&self, key: &str) -> Option<&str> {
        self.useradd_text(key).filter(|value| !value.is_empty())
    }

    /// A value of default/useradd.
    pub fn useradd_text(&self, key: &str) -> Option<&str> {
        self.useradd.get(key).map(String::as_str)
    }

    /// Fewest and most days between changes of a password, and how many days before the last one the user is warned.
    pub fn password_days(&self) -> [String; 3] {
        let days = |key| self.number(key).map(|days| days.to_string());
        ["PASS_MIN_DAYS", "PASS_MAX_DAYS", "PASS_WARN_AGE"].map(|key| days(key).unwrap_or_default())
    }

    /// Lowest and highest id of ordinary users (`UID`) or groups (`GID`).
    pub fn range(&self, kind: &str) -> (u32, u32) {
        (
            self.number(&format!("{kind}_MIN")).unwrap_or(1000),
            self.number(&format!("{kind}_MAX")).unwrap_or(60_000),
        )
    }

    /// First, last and number of the subordinate ids (`UID` or `GID`) that a new user gets.
    pub fn subordinate(&self, kind: &str) -> (u32, u32, u32) {
        (
            self.number(&format!("SUB_{kind}_MIN")).unwrap_or(100_000),
            self.number(&format!("SUB_{kind}_MAX"))
                .unwrap_or(600_100_000),
            self.number(&format!("SUB_{kind}_COUNT")).unwrap_or(65_536),
        )
    }

    /// Mode of a new home directory.
    pub fn home_mode(&self) -> u32 {
        self.number("HOME_MODE")
            .unwrap_or(0o777 & !self.number("UMASK").unwrap_or(0o022))
    }

    /// Directory whose content a new home directory gets.
    pub fn skeleton(&self) -> &str {
        self.useradd("SKEL").unwrap_or(SKELETON)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_have_the_defaults_of_the_tools() {
        let settings = Settings::parse(
            "# x\nUMASK\t\t077\nUID_MIN 500\nUSERGROUPS_ENAB yes\n",
            "SKEL=/s\nSHELL=\n",
        );
        assert_eq!(
            (settings.range("UID"), settings.range("GID")),
            ((500, 60_000), (1000, 60_000))
        );
        assert_eq!(
            (
                settings.home_mode(),
                settings.skeleton(),
                settings.useradd("SHELL")
            ),
            (0o700, "/s", None)
        );
        assert!(settings.is_on("USERGROUPS_ENAB") && !settings.is_on("CREATE_HOME"));
    }
}
