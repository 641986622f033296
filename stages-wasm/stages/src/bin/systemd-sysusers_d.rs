//! Write a sysusers.d file.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Error, Result, bail};
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    config: Config,
}

#[derive(Deserialize)]
struct Config {
    #[serde(default, rename = "path-prefix")]
    path_prefix: PathPrefix,
    filename: String,
    entries: Vec<Entry>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "lowercase")]
enum PathPrefix {
    #[default]
    Usr,
    Etc,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    name: String,
    #[serde(default = "unset")]
    id: String,
    #[serde(default = "unset")]
    gecos: String,
    #[serde(default = "unset")]
    home: String,
    #[serde(default = "unset")]
    shell: String,
}

fn unset() -> String {
    "-".into()
}

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(&[], |arguments: Arguments<Options>| {
        let config = &arguments.options.config;
        if !config.filename.ends_with(".conf") {
            bail!("filename `{}` must end in .conf", config.filename);
        }
        if config.entries.is_empty() {
            bail!("at least one of entries is required");
        }
        config.entries.iter().try_for_each(Entry::check)?;
        let directory = match config.path_prefix {
            PathPrefix::Usr => "usr/lib/sysusers.d",
            PathPrefix::Etc => "etc/sysusers.d",
        };
        let lines: String = config.entries.iter().map(Entry::line).collect();
        arguments
            .tree
            .write(&format!("{directory}/{}", config.filename), lines)
    })
}

impl Entry {
    fn check(&self) -> Result<()> {
        if !["u", "u!", "g", "m", "r"].contains(&self.kind.as_str()) {
            return invalid("Type", &self.kind, "known are u, u!, g, m and r");
        }
        if !is_name(&self.name) {
            return invalid("Name", &self.name, "this is no name of a user or group");
        }
        if self.kind == "r" && self.name != "-" {
            return invalid("Name", &self.name, "a range has the name `-`");
        }
        self.check_id()?;
        for (field, value) in [("Home", &self.home), ("Shell", &self.shell)] {
            if value.contains(|c: char| c.is_whitespace() || "\"'\\".contains(c)) {
                return invalid(
                    field,
                    value,
                    "the field ends at a blank, and quotes are no part of it",
                );
            }
            if !["", "-"].contains(&value.as_str()) && !is_path(value) {
                return invalid(
                    field,
                    value,
                    "an absolute path is needed, without `.`, `..`, colon and doubled slash",
                );
            }
        }
        if self.gecos.contains([':', '\t']) {
            return invalid(
                "GECOS",
                &self.gecos,
                "a field of etc/passwd has no colons and tabs",
            );
        }
        for (field, value) in [
            ("GECOS", &self.gecos),
            ("Home", &self.home),
            ("Shell", &self.shell),
        ] {
            if self.kind != "u" && !["", "-"].contains(&value.as_str()) {
                return invalid(field, value, "only entries of type u have this");
            }
        }
        Ok(())
    }

    fn check_id(&self) -> Result<()> {
        let separator = match self.kind.as_str() {
            "m" if is_name(&self.id) => return Ok(()),
            "m" => return invalid("ID", &self.id, "this is no name of a group"),
            "r" => '-',
            _ if self.id == "-" => return Ok(()),
            _ => ':',
        };
        let parts: Vec<&str> = self.id.split(separator).collect();
        if parts.len() > 2 {
            return invalid("ID", &self.id, "it has more than two parts");
        }
        match parts.iter().find(|part| !is_id(part)) {
            Some(part) => invalid("ID", &self.id, &format!("`{part}` is no usable number")),
            None => Ok(()),
        }
    }

    fn line(&self) -> String {
        let gecos = match self.gecos.as_str() {
            "-" => "-".into(),
            text => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
        };
        // An empty field is none to the reader, who would take the next one for it.
        let home = match (self.home.as_str(), self.shell.as_str()) {
            ("", shell) if !shell.is_empty() => "-",
            (home, _) => home,
        };
        let values = [&gecos, home, &self.shell].map(|text| text.replace('%', "%%"));
        let line = format!(
            "{} {} {} {}",
            self.kind,
            self.name,
            self.id,
            values.join(" ")
        );
        line.trim().to_owned() + "\n"
    }
}

/// Lower-case letters, then perhaps `-` or `_` and up to thirty letters, digits, `-` and `_`; or `-` alone.
fn is_name(name: &str) -> bool {
    let end = name
        .find(|c: char| !c.is_ascii_lowercase())
        .unwrap_or(name.len());
    let (letters, rest) = name.split_at(end);
    let tail = rest
        .strip_prefix(['-', '_'])
        .map(|tail| tail.len() <= 30 && tail.bytes().all(is_name_byte));
    name == "-" || (!letters.is_empty() && (rest.is_empty() || tail == Some(true)))
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// A number that the kernel does not take for "no id", written as systemd reads it: without sign, blanks and zeros before it.
fn is_id(text: &str) -> bool {
    let id = text.parse::<u32>().ok().filter(|id| id.to_string() == text);
    id.is_some_and(|id| id != u32::from(u16::MAX) && id != u32::MAX)
}

/// A path that systemd takes for a home directory or a shell.
fn is_path(text: &str) -> bool {
    let plain = |name: &str| !["", ".", ".."].contains(&name);
    let names = text.strip_prefix('/').filter(|_| !text.contains(':'));
    names.is_some_and(|names| names.is_empty() || names.split('/').all(plain))
}

fn invalid(field: &str, value: &str, reason: &str) -> Result<()> {
    Err(Error::new(format!(
        "options.config.entries: sysuser entry '{field}={value}' is invalid: {reason}"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(text: &str) -> Entry {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn entries_are_checked() {
        for (text, good) in [
            (r#"{"type": "u", "name": "a-b_1", "id": "100:200"}"#, true),
            (r#"{"type": "r", "name": "-", "id": "5-9"}"#, true),
            (r#"{"type": "m", "name": "a", "id": "wheel"}"#, true),
            (r#"{"type": "g", "name": "a", "gecos": ""}"#, true),
            (r#"{"type": "x", "name": "a"}"#, false),
            (r#"{"type": "u", "name": ""}"#, false),
            (r#"{"type": "u", "name": "a1"}"#, false),
            (r#"{"type": "u", "name": "a", "id": "65535"}"#, false),
            (r#"{"type": "u", "name": "a", "id": "1:2:3"}"#, false),
            (r#"{"type": "r", "name": "a", "id": "1-2"}"#, false),
            (r#"{"type": "u", "name": "a", "id": "1 :2"}"#, false),
            (r#"{"type": "u", "name": "a", "id": "+1"}"#, false),
            (r#"{"type": "u", "name": "a", "gecos": "a:b"}"#, false),
            (r#"{"type": "u", "name": "a", "home": "/a/../b"}"#, false),
            (r#"{"type": "u", "name": "a", "shell": "sh"}"#, false),
            (r#"{"type": "r", "name": "-"}"#, false),
            (r#"{"type": "u!", "name": "a", "home": "/x"}"#, false),
            (r#"{"type": "m", "name": "a", "id": "5"}"#, false),
        ] {
            assert_eq!(entry(text).check().is_ok(), good, "{text}");
        }
    }

    #[test]
    fn lines_have_six_fields_and_no_blanks_at_the_end() {
        let plain = entry(r#"{"type": "u", "name": "a", "gecos": "A b", "home": "/h"}"#);
        assert_eq!(plain.line(), "u a - \"A b\" /h -\n");
        let shell =
            entry(r#"{"type": "u", "name": "a", "gecos": "5%", "home": "", "shell": "/s"}"#);
        assert_eq!(shell.line(), "u a - \"5%%\" - /s\n");
        let empty = entry(r#"{"type": "g", "name": "a", "gecos": "", "home": "", "shell": ""}"#);
        assert_eq!(empty.line(), "g a - \"\"\n");
    }
}
