//! Write pacman.conf.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Result, bail};
use osbuild_stage_common::fields::{text as at_end, word};
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Options {
    architecture: Option<String>,
    repositories: Vec<Repository>,
}

#[derive(Deserialize)]
struct Repository {
    name: String,
    #[serde(default)]
    siglevels: Vec<String>,
    server: Option<String>,
    include: Option<String>,
}

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(&[], |arguments: Arguments<Options>| -> Result<()> {
        check(&arguments.options)?;
        arguments.tree.create_dir_all("etc")?;
        arguments
            .tree
            .write("etc/pacman.conf", text(&arguments.options))
    })
}

/// Blanks at the ends of a value are lost, and separate those of a list.
fn check(options: &Options) -> Result<()> {
    if let Some(architecture) = &options.architecture {
        word("architecture", architecture)?;
    }
    for repository in &options.repositories {
        let Repository { name, .. } = repository;
        at_end("repositories.name", name)?;
        if name.is_empty() || name == "options" || name.contains(']') {
            bail!("options.repositories.name: {name:?} is no name of a repository");
        }
        let mut levels = repository.siglevels.iter();
        levels.try_for_each(|level| word("repositories.siglevels", level))?;
        for (option, value) in [
            ("repositories.server", &repository.server),
            ("repositories.include", &repository.include),
        ] {
            at_end(option, value.as_deref().unwrap_or_default())?;
        }
    }
    Ok(())
}

fn text(options: &Options) -> String {
    let architecture = options.architecture.as_deref().unwrap_or("x86_64");
    let head = format!(
        "
[options]
Architecture = {architecture}
SigLevel    = Required DatabaseOptional
LocalFileSigLevel = Optional
"
    );
    head + &options.repositories.iter().map(section).collect::<String>()
}

fn section(repository: &Repository) -> String {
    let line = |name, value: &Option<String>| match value.as_deref() {
        Some(value) if !value.is_empty() => format!("{name} = {value}\n"),
        _ => String::new(),
    };
    let levels = (!repository.siglevels.is_empty()).then(|| repository.siglevels.join(" "));
    format!(
        "[{}]\n{}{}{}\n",
        repository.name,
        line("SigLevel", &levels),
        line("Server", &repository.server),
        line("Include", &repository.include)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_follow_the_options() {
        let options = serde_json::from_str(
            r#"{"repositories": [{"name": "core", "siglevels": ["Required", "TrustAll"], "server": "s"},
                {"name": "x", "include": "/i"}], "architecture": "arm"}"#,
        )
        .unwrap();
        let text = text(&options);
        assert!(
            text.starts_with("\n[options]\nArchitecture = arm\n"),
            "{text}"
        );
        assert!(
            text.ends_with(
                "Optional\n[core]\nSigLevel = Required TrustAll\nServer = s\n\n[x]\nInclude = /i\n\n"
            ),
            "{text}"
        );
    }
}
