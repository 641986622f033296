//! Where settings come from: the program, a file, the environment, the command line; the later before the earlier.
use super::duration;
use super::keys::{ALIASES, DEFAULT_ALIASES, KEYS, Key, Kind, OWN, REFUSED_VARIABLES};
use osbuild_wasm_files::{LARGEST_DOCUMENT, read_text};
use osbuild_wasm_manifest::nearest::nearest;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// Where a setting comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    /// The program.
    Default,
    /// A file.
    File(PathBuf),
    /// A variable.
    Variable(&'static str),
    /// An option of the command line.
    Flag(&'static str),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => path.display().fmt(f),
            Self::Variable(name) => f.write_str(name),
            Self::Flag(name) => write!(f, "--{name}"),
        }
    }
}

/// A setting that cannot be used. The text never repeats a value: it may be a secret.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct ConfigError {
    place: String,
    problem: String,
}

impl ConfigError {
    pub(super) fn new(place: &impl fmt::Display, problem: impl Into<String>) -> Self {
        Self {
            place: place.to_string(),
            problem: problem.into(),
        }
    }
}

/// An option of the command line that sets something.
#[derive(Clone, Debug)]
pub struct Flag {
    /// The option.
    pub option: &'static str,
    /// What it sets: a name of our own table.
    pub key: &'static str,
    /// The value.
    pub value: Value,
}

/// A value, and where it comes from.
#[derive(Clone)]
pub(super) struct Setting {
    pub(super) value: Value,
    pub(super) source: Source,
}

/// All that is set, by path.
#[derive(Clone, Default)]
pub(super) struct Settings(pub(super) BTreeMap<Vec<String>, Setting>);

impl Settings {
    /// What the program has.
    pub(super) fn defaults() -> Self {
        let mut settings = Self::default();
        for key in KEYS {
            let value = key.default.map(|text| format!("x = {text}"));
            // The texts are our own; a test reads all of them.
            let table = value.and_then(|text| text.parse::<Table>().ok());
            if let Some(value) = table.and_then(|mut table| table.remove("x")) {
                settings.set(owned(key.path), value, Source::Default);
            }
        }
        for (alias, name) in DEFAULT_ALIASES {
            let path = owned(&["distro_aliases", alias]);
            settings.set(path, Value::String(name.into()), Source::Default);
        }
        settings
    }

    fn set(&mut self, path: Vec<String>, value: Value, source: Source) {
        self.0.insert(path, Setting { value, source });
    }

    /// Adds those of a file; nothing if it is not there and need not be.
    pub(super) fn add_file(&mut self, path: &Path, required: bool) -> Result<(), ConfigError> {
        let text = match read_text(path, LARGEST_DOCUMENT) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound && !required => return Ok(()),
            Err(error) => {
                let problem = format!("cannot be read: {error}");
                return Err(ConfigError::new(&path.display(), problem));
            }
        };
        let table: Table = text.parse().map_err(|error: toml::de::Error| {
            // The error as a whole would show the line.
            let before = error.span().map_or("", |span| &text[..span.start]);
            let line = before.matches('\n').count() + 1;
            ConfigError::new(
                &format_args!("{}:{line}", path.display()),
                error.message().to_owned(),
            )
        })?;
        self.add_table(table, &mut Vec::new(), &Source::File(path.to_owned()))
    }

    fn add_table(
        &mut self,
        table: Table,
        path: &mut Vec<String>,
        source: &Source,
    ) -> Result<(), ConfigError> {
        for (name, value) in table {
            path.push(name);
            match (KEYS.iter().find(|key| key.is(path)), value) {
                (Some(key), value) => {
                    check(key, &value).map_err(|wanted| wrong(source, path, wanted))?;
                    self.set(path.clone(), value, source.clone());
                }
                (None, Value::Table(table)) if is_table(path) => {
                    self.add_table(table, path, source)?;
                }
                (None, _) if is_table(path) => return Err(wrong(source, path, "a table")),
                (None, _) => return Err(unknown(source, path)),
            }
            path.pop();
        }
        Ok(())
    }

    /// Adds those of the environment.
    pub(super) fn add_environment(
        &mut self,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<(), ConfigError> {
        let variable = |name: &str| variable(name).filter(|text| !text.is_empty());
        if let Some(refused) = REFUSED_VARIABLES
            .iter()
            .find(|name| variable(name).is_some())
        {
            let problem = "logs are sent nowhere: unset it, and collect standard error";
            return Err(ConfigError::new(refused, problem));
        }
        for key in KEYS {
            if let Some(name) = key.variable
                && let Some(text) = variable(name)
            {
                let value = match key.kind {
                    Kind::Number => text.parse().map_or(Value::String(text), Value::Integer),
                    _ => Value::String(text),
                };
                check(key, &value).map_err(|wanted| ConfigError::new(&name, wanted))?;
                self.set(owned(key.path), value, Source::Variable(name));
            }
        }
        for pair in variable(ALIASES).iter().flat_map(|text| text.split(',')) {
            let Some((alias, name)) = pair.split_once('=') else {
                return Err(ConfigError::new(
                    &ALIASES,
                    "has pairs `ALIAS=NAME` with commas between",
                ));
            };
            let path = owned(&["distro_aliases", alias.trim()]);
            let name = Value::String(name.trim().into());
            self.set(path, name, Source::Variable(ALIASES));
        }
        Ok(())
    }

    /// Adds those of the command line.
    pub(super) fn add_flags(&mut self, flags: Vec<Flag>) {
        for flag in flags {
            let path = owned(&[OWN, flag.key]);
            self.set(path, flag.value, Source::Flag(flag.option));
        }
    }
}

/// A path of our own as one of a file.
pub(super) fn owned(path: &[&str]) -> Vec<String> {
    path.iter().map(ToString::to_string).collect()
}

/// A path as it is written in TOML.
pub(super) fn dotted(path: &[String]) -> String {
    let is_bare = |name: &String| {
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
        !name.is_empty() && name.chars().all(is_plain)
    };
    let names = path.iter().map(|name| match is_bare(name) {
        true => name.clone(),
        false => Value::String(name.clone()).to_string(),
    });
    names.collect::<Vec<_>>().join(".")
}

fn is_table(path: &[String]) -> bool {
    KEYS.iter().any(|key| key.is_below(path) && !key.is(path))
}

/// Says what a value would have to be, if it is not.
fn check(key: &Key, value: &Value) -> Result<(), &'static str> {
    let is_right = match key.kind {
        Kind::Text => value.is_str(),
        Kind::Texts => value
            .as_array()
            .is_some_and(|list| list.iter().all(Value::is_str)),
        Kind::Switch => value.is_bool(),
        Kind::Number => value.as_integer().is_some_and(|number| number >= 0),
        Kind::Duration => value
            .as_str()
            .and_then(duration::parse)
            .is_some_and(|given| given <= duration::LONGEST),
    };
    let wanted = match key.kind {
        Kind::Text => "text in quotes",
        Kind::Texts => "a list of texts",
        Kind::Switch => "true or false",
        Kind::Number => "a whole number",
        Kind::Duration => {
            "a duration in quotes, such as \"90s\" or \"1h30m\", of a century at most"
        }
    };
    is_right.then_some(()).ok_or(wanted)
}

fn wrong(source: &Source, path: &[String], wanted: &str) -> ConfigError {
    ConfigError::new(source, format!("{} has to be {wanted}", dotted(path)))
}

fn unknown(source: &Source, path: &[String]) -> ConfigError {
    let (table, name) = path.split_at(path.len() - 1);
    let beside = KEYS.iter().filter(|key| key.is_below(table));
    let beside = beside.filter_map(|key| key.path.get(table.len()));
    let near = name.first().and_then(|name| nearest(name, beside));
    let hint = near.map_or_else(String::new, |near| format!(": did you mean `{near}`?"));
    ConfigError::new(
        source,
        format!("there is no setting {}{hint}", dotted(path)),
    )
}
