//! Serial line and terminals of GRUB.
use crate::quoting::{grub_word, grub_words};
use osbuild_stage::Result;
use serde::Deserialize;

/// Serial line and terminals.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Terminals {
    /// Command that sets the serial line up, and more commands on lines of their own.
    pub serial: Option<String>,
    /// Names for input and output.
    pub terminal: Vec<String>,
    /// Names for input.
    pub terminal_input: Vec<String>,
    /// Names for output.
    pub terminal_output: Vec<String>,
}

impl Terminals {
    /// The commands of a configuration, one after the other on lines of their own. What is not set leaves `${NAME}` standing with
    /// `placeholders`, as the first version of the configuration had it, and otherwise nothing.
    pub fn commands(&self, placeholders: bool) -> Result<String> {
        for line in self.serial.iter().flat_map(|lines| lines.split('\n')) {
            grub_words("config.serial", line)?;
        }
        for (option, names) in [
            ("config.terminal_input", &self.terminal_input),
            ("config.terminal_output", &self.terminal_output),
        ] {
            names.iter().try_for_each(|name| grub_word(option, name))?;
        }
        let serial = self.serial.clone().filter(|serial| !serial.is_empty());
        let terminal = |name: &str, values: &[String]| {
            (!values.is_empty()).then(|| format!("{name} {}", values.join(" ")))
        };
        let commands = [
            ("serial", serial),
            (
                "terminal_input",
                terminal("terminal_input", &self.terminal_input),
            ),
            (
                "terminal_output",
                terminal("terminal_output", &self.terminal_output),
            ),
        ];
        let text = |(name, command): (&str, Option<String>)| match command {
            Some(command) => format!("\n{command}"),
            None if placeholders => format!("${{{name}}}"),
            None => String::new(),
        };
        Ok(commands.into_iter().map(text).collect())
    }
}
