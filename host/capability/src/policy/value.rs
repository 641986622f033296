//! Values that a policy writes as text.
use crate::pattern::{Pattern, name};
use crate::size::Size;
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// A shell pattern of module names, e.g. `org.osbuild.*`; also of devices, mounts and programs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct NamePattern(String);

impl NamePattern {
    /// Whether it means the name.
    pub fn matches(&self, name: &str) -> bool {
        name::matches(&self.0, name)
    }

    /// How closely it describes what it means: one name without wildcards most, then by the number of letters.
    pub(crate) fn specificity(&self) -> (bool, usize) {
        let wild = |c: char| "*?[]".contains(c);
        let text = &self.0;
        (
            !text.contains(wild),
            text.chars().filter(|c| !wild(*c)).count(),
        )
    }

    /// The pattern that means just this name.
    pub fn exactly(name: &str) -> Self {
        Self(name::escape(name))
    }
}

impl TryFrom<String> for NamePattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.is_empty() {
            return Err("a name or pattern of names cannot be empty".into());
        }
        name::check(&text).map_err(|error| format!("pattern {text:?}: {error}"))?;
        Ok(Self(text))
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A host, or a shell pattern of hosts, with or without port.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct HostPattern {
    /// As the policy has it.
    text: String,
    pattern: NamePattern,
}

impl HostPattern {
    /// Whether it means `host:port`; without a port of its own, at every port.
    pub fn matches(&self, host: &str) -> bool {
        let (name, _) = split_port(host);
        let (text, pattern) = (&self.text, &self.pattern);
        text == host || text == name || pattern.matches(host) || pattern.matches(name)
    }
}

/// Host and port of `host:port`.
fn split_port(host: &str) -> (&str, Option<&str>) {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|c| c.is_ascii_digit()) => {
            (name, Some(port))
        }
        _ => (host, None),
    }
}

/// Whether a URL can have such a host (an international name in its ASCII form), with a port or without, parts of it as a pattern.
fn may_be_host(text: &str) -> bool {
    let wild = |c: char| "*?[]!^".contains(c);
    let is_port =
        |port: &str| port.contains(wild) || matches!(port.parse::<u16>(), Ok(port) if port != 0);
    if let Some((address, port)) = text
        .strip_prefix('[')
        .and_then(|text| text.rsplit_once(']'))
        && let Ok(_) = address.parse::<std::net::Ipv6Addr>()
    {
        return port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
    }
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) => (name, Some(port)),
        None => (text, None),
    };
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c) || wild(c);
    !name.is_empty() && name.chars().all(fits) && port.is_none_or(is_port)
}

impl TryFrom<String> for HostPattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if !may_be_host(&text) {
            return Err(format!(
                "{text:?} is not a host: write `example.org`, `example.org:8080`, `*.example.org` or `[::1]`"
            ));
        }
        // The brackets of an IPv6 address are no pattern.
        let pattern = if text.starts_with('[') {
            NamePattern::exactly(&text)
        } else {
            text.to_ascii_lowercase().try_into()?
        };
        Ok(Self { text, pattern })
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The word for the container storage of this machine, wherever its settings say that it is.
pub const CONTAINER_STORAGE: &str = "containers-storage";

/// Files of this machine: a pattern of absolute paths as in rights, or [`CONTAINER_STORAGE`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct FilePattern(String);

impl FilePattern {
    /// Whether it means everything that `asked`, another such pattern, means.
    pub fn contains(&self, asked: &str) -> bool {
        let contains = || Some(absolute(&self.0)?.contains(&absolute(asked)?));
        self.0 == asked || contains().unwrap_or_default()
    }
}

/// The pattern of absolute paths; none for another text.
fn absolute(text: &str) -> Option<Pattern> {
    let text = Some(text).filter(|text| text.starts_with('/'));
    Pattern::parse(text?).ok()
}

impl TryFrom<String> for FilePattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text != CONTAINER_STORAGE && (absolute(&text).is_none() || text.contains("${")) {
            return Err(format!(
                "{text:?} names no file of this machine: write `/srv/file`, `/srv/mirror/**` or `{CONTAINER_STORAGE}`"
            ));
        }
        Ok(Self(text))
    }
}

impl fmt::Display for FilePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// SHA-256 of a component, written `sha256:` and 64 hex digits.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Sha256(String);

impl Sha256 {
    /// Whether it is this digest (lower-case hex).
    pub fn is(&self, digest: &str) -> bool {
        self.0 == digest
    }

    /// That of these hex digits.
    pub fn of(digest: &str) -> Self {
        Self(digest.to_owned())
    }
}

impl TryFrom<String> for Sha256 {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let digits = text.strip_prefix("sha256:").unwrap_or_default();
        let hex = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
        if digits.len() == 64 && digits.bytes().all(hex) {
            return Ok(Self(digits.to_owned()));
        }
        Err(format!(
            "{text:?} is not a digest: write `sha256:` and 64 lower-case hex digits"
        ))
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.0)
    }
}

/// Bytes: a number, or text with a unit such as `512 MiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Amount")]
pub struct Bytes(pub u64);

/// Time: seconds, or text such as `90s` and `10min`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Amount")]
pub struct Time(pub Duration);

/// A number, or text with a unit.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(untagged, expecting = "a number, or text with a unit")]
enum Amount {
    Number(u64),
    Text(String),
}

impl TryFrom<Amount> for Bytes {
    type Error = String;

    fn try_from(amount: Amount) -> Result<Self, String> {
        match amount {
            Amount::Number(bytes) => Ok(Self(bytes)),
            Amount::Text(text) => match text.parse()? {
                Size::Bytes(bytes) => Ok(Self(bytes)),
                Size::Unlimited => Err("a policy cannot lift a limit: write a size".into()),
            },
        }
    }
}

impl TryFrom<Amount> for Time {
    type Error = String;

    fn try_from(amount: Amount) -> Result<Self, String> {
        let wrong = |text: &str| {
            format!("{text:?} is not a time: write seconds, or `90s`, `10min`, `1h30min`")
        };
        let time = match amount {
            Amount::Number(seconds) => Duration::from_secs(seconds),
            Amount::Text(text) => {
                let time: SignedDuration = text.parse().map_err(|_| wrong(&text))?;
                Duration::try_from(time).map_err(|_| wrong(&text))?
            }
        };
        if time.is_zero() {
            return Err("a time limit of nothing lets no stage run".into());
        }
        Ok(Self(time))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(pattern: &str) -> HostPattern {
        pattern.to_owned().try_into().expect(pattern)
    }

    #[test]
    fn hosts_match_with_and_without_port() {
        for (pattern, address, expected) in [
            ("example.org", "example.org:443", true),
            ("example.org:443", "example.org:443", true),
            ("example.org:80", "example.org:443", false),
            ("*.example.org", "a.example.org:80", true),
            ("*.example.org", "example.org:80", false),
            ("*.example.org", "example.org.evil.net:80", false),
            ("[::1]", "[::1]:8080", true),
            ("[::1]", "1:8080", false),
            ("*", "*", true),
            ("*.example.org", "*", false),
        ] {
            assert_eq!(
                host(pattern).matches(address),
                expected,
                "{pattern} {address}"
            );
        }
        let written = host(&host("[::1]:8080").to_string());
        assert!(written.matches("[::1]:8080") && !written.matches("1:8080"));
        for none in [
            "https://a/",
            "",
            "x:99999",
            "x:0",
            "x:y",
            "a@x",
            "a b",
            "[::1",
            "a\0",
        ] {
            assert!(HostPattern::try_from(none.to_owned()).is_err(), "{none:?}");
        }
    }

    #[test]
    fn files_are_named_by_absolute_paths() {
        let pattern = |text: &str| FilePattern::try_from(text.to_owned());
        for (text, asked, expected) in [
            ("/srv/a", "/srv/a", true),
            ("/srv/**", "/srv/a", true),
            ("/srv/**", "/srv/a/**", true),
            ("/srv/*", "/srv/a/b", false),
            ("/srv/a", "/srv/a/**", false),
            ("/**", "/etc/shadow", true),
            ("/srv/**", "/etc/shadow", false),
            ("/**", CONTAINER_STORAGE, false),
            (CONTAINER_STORAGE, CONTAINER_STORAGE, true),
            (CONTAINER_STORAGE, "/containers-storage", false),
        ] {
            assert_eq!(
                pattern(text).unwrap().contains(asked),
                expected,
                "{text} {asked}"
            );
        }
        for text in [
            "",
            "*",
            "srv/a",
            "file:///srv/a",
            "input://x",
            "/srv/../etc",
            "/srv/${/a}",
        ] {
            assert!(pattern(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_exact_name_is_more_specific_than_any_pattern() {
        let of = |text: &str| {
            NamePattern::try_from(text.to_owned())
                .expect(text)
                .specificity()
        };
        assert!(of("a") > of("org.osbuild.*"));
        assert!(of("org.osbuild.mkfs.*") > of("org.osbuild.*"));
        assert!(of("org.osbuild.*") > of("*"));
    }
}
