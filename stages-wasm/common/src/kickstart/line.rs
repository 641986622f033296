//! One command with its arguments.

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

    /// Adds `FLAGvalue` when the value is given and not empty; the flag ends in `=` or a blank.
    #[must_use]
    pub fn option(self, flag: &str, value: Option<impl AsRef<str>>) -> Self {
        match value {
            Some(value) if !value.as_ref().is_empty() => {
                self.arg(&format!("{flag}{}", value.as_ref()))
            }
            _ => self,
        }
    }

    /// The line.
    pub fn text(self) -> String {
        self.0
    }
}
