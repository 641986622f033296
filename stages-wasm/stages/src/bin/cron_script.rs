//! Install a simple cron script.
#![forbid(unsafe_code)]
use osbuild_stage::Arguments;
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    interval: String,
    filename: String,
    simple: Script,
}

#[derive(Deserialize)]
struct Script {
    #[serde(default)]
    comment: Vec<String>,
    command: String,
}

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(&["command"], |arguments: Arguments<Options>| {
        let (tree, options) = (&arguments.tree, &arguments.options);
        let path = format!("etc/cron.{}/{}", options.interval, options.filename);
        tree.write(&path, text(&options.simple))?;
        tree.set_mode(&path, 0o755)
    })
}

fn text(script: &Script) -> String {
    let comments = script.comment.iter().map(|line| format!("# {line}\n"));
    format!(
        "#!/bin/bash\n{}{}\n",
        comments.collect::<String>(),
        script.command
    )
}
