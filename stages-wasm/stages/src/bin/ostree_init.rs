//! Initialise an ostree repository.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Command, Result, path};
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    mode: Option<String>,
    path: Option<String>,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| -> Result<()> {
        let (tree, options) = (&arguments.tree, &arguments.options);
        let repository = options.path.as_deref().unwrap_or("repo");
        tree.create_dir_all(path::parent(repository))?;
        Command::new("ostree")
            .args(["init", "-v"])
            .arg(format!(
                "--mode={}",
                options.mode.as_deref().unwrap_or("archive")
            ))
            .arg(format!("--repo={}", tree.path(repository)))
            .run()
    })
}
