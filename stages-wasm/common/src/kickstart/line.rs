//! One command with its arguments.
use osbuild_stage::{Result, bail};

/// A line being made.
#[derive(Debug, Clone)]
pub struct Line(String);

impl Line {
    /// A command without arguments.
    pub fn new(command: &str) -> Self {
        Self(command.into())
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: &str) -> Self {
        self.0 += &format!(" {argument}");
        self
    }

    /// Adds an argument when the condition holds.
    #[must_use]
    pub fn flag(self, argument: &str, when: bool) -> Self {
        if when { self.arg(argument) } else { self }
    }

    /// Adds `FLAGvalue`, the value as one word; the flag ends in `=` or a blank.
    #[must_use]
    pub fn value(self, flag: &str, value: &str) -> Self {
        // Behind a blank, a hyphen would begin another option.
        let flag = match (flag.strip_suffix(' '), value.starts_with('-')) {
            (Some(name), true) => format!("{name}="),
            _ => flag.to_owned(),
        };
        self.arg(&format!("{flag}{}", word(value)))
    }

    /// As [`Line::value`], when the value is given and not empty.
    #[must_use]
    pub fn option(self, flag: &str, value: Option<impl AsRef<str>>) -> Self {
        match value {
            Some(value) if !value.as_ref().is_empty() => self.value(flag, value.as_ref()),
            _ => self,
        }
    }

    /// The line.
    pub fn text(self) -> String {
        self.0
    }
}

/// A value as one word. pykickstart splits lines as a shell does, but knows no variables.
fn word(value: &str) -> String {
    let special = |c: char| c.is_whitespace() || "\"'\\#".contains(c);
    match value.is_empty() || value.contains(special) {
        true => quoted(value),
        false => value.into(),
    }
}

/// A value in double quotes.
pub fn quoted(value: &str) -> String {
    let text = value.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{text}\"")
}

/// Refuses a value that is a part of a list, and would not be one element of it.
///
/// # Errors
/// They name the option.
pub fn check_element(option: &str, value: &str) -> Result<()> {
    match value.is_empty() || value.contains(',') || value.trim() != value {
        true => bail!("options.{option}: {value:?} is no element of a list with commas"),
        false => Ok(()),
    }
}

/// Refuses a value that is no words of one command, which are written as they are given.
///
/// # Errors
/// They name the option.
pub fn check_words(option: &str, value: &str) -> Result<()> {
    let mut quote = None;
    let mut rest = value.chars();
    while let Some(character) = rest.next() {
        match (quote, character) {
            (None, '#') => bail!("options.{option}: a comment begins at the `#` of {value:?}"),
            (None | Some('"'), '\\') if rest.next().is_none() => {
                bail!("options.{option}: {value:?} ends with a backslash")
            }
            (None, '"' | '\'') => quote = Some(character),
            (Some(open), end) if open == end => quote = None,
            _ => {}
        }
    }
    match quote {
        None => Ok(()),
        Some(_) => bail!("options.{option}: the quotes of {value:?} are not closed"),
    }
}
