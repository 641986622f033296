//! Scripts that run after the installation.
use super::Line;
use super::line::quoted;
use osbuild_stage::{Result, bail};
use serde::Deserialize;

/// One script.
#[derive(Debug, Clone, Deserialize)]
pub struct Script {
    #[serde(default)]
    erroronfail: bool,
    #[serde(default)]
    nochroot: bool,
    log: Option<String>,
    interpreter: Option<String>,
    commands: Vec<String>,
}

impl Script {
    /// Its head, its commands, its end.
    pub fn text(&self) -> Result<String> {
        if self
            .commands
            .iter()
            .flat_map(|text| text.lines())
            .any(|line| line.trim_start().starts_with("%end"))
        {
            bail!("options.%post: a command cannot begin with %end, which ends the script");
        }
        let given = |flag, text: &Option<String>| {
            let text = text.as_deref().filter(|text| !text.is_empty());
            // Behind a blank, a hyphen would begin another option.
            let separator = |text: &str| if text.starts_with('-') { '=' } else { ' ' };
            text.map(|text| format!("{flag}{}{}", separator(text), quoted(text)))
        };
        let head = Line::new("%post")
            .flag("--erroronfail", self.erroronfail)
            .flag("--nochroot", self.nochroot);
        let words = [
            given("--log", &self.log),
            given("--interpreter", &self.interpreter),
        ];
        let head = words
            .iter()
            .flatten()
            .fold(head, |head, word| head.arg(word));
        Ok(format!(
            "{}\n{}\n%end",
            head.text(),
            self.commands.join("\n")
        ))
    }
}
