//! Scripts that run after the installation.
use super::Line;
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
    pub fn text(&self) -> String {
        let quoted = |text: &Option<String>| {
            let text = text.as_deref().filter(|text| !text.is_empty());
            text.map(|text| format!("\"{text}\""))
        };
        let head = Line::new("%post")
            .flag("--erroronfail", self.erroronfail)
            .flag("--nochroot", self.nochroot)
            .option("--log ", quoted(&self.log))
            .option("--interpreter ", quoted(&self.interpreter));
        format!("{}\n{}\n%end", head.text(), self.commands.join("\n"))
    }
}
