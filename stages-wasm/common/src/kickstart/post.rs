//! Scripts that run after the installation.
use super::Line;
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
        let words = [&self.log, &self.interpreter];
        if let Some(word) = words.into_iter().flatten().find(|word| word.contains('"')) {
            bail!("options.%post: {word:?} ends its quotes");
        }
        if self
            .commands
            .iter()
            .flat_map(|text| text.lines())
            .any(|line| line.trim_start().starts_with("%end"))
        {
            bail!("options.%post: a command cannot begin with %end, which ends the script");
        }
        let quoted = |text: &Option<String>| {
            let text = text.as_deref().filter(|text| !text.is_empty());
            text.map(|text| format!("\"{text}\""))
        };
        let head = Line::new("%post")
            .flag("--erroronfail", self.erroronfail)
            .flag("--nochroot", self.nochroot)
            .option("--log ", quoted(&self.log))
            .option("--interpreter ", quoted(&self.interpreter));
        Ok(format!(
            "{}\n{}\n%end",
            head.text(),
            self.commands.join("\n")
        ))
    }
}
