//! Write pacman.conf.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Result, bail};
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
        let repositories = &arguments.options.repositories;
        if let Some(repository) = repositories
            .iter()
            .find(|repository| repository.name.contains(']'))
        {
            bail!(
                "options.repositories: {:?} is no name of a repository",
                repository.name
            );
        }
        arguments.tree.create_dir_all("etc")?;
        arguments
            .tree
            .write("etc/pacman.conf", text(&arguments.options))
    })
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
