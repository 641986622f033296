//! Runs programs, whether its module document names them or not.
#![forbid(unsafe_code)]
use osbuild_hostile::Attempts;
use osbuild_stage::{Arguments, Command};
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    runs: Vec<Run>,
}

#[derive(Deserialize)]
struct Run {
    program: String,
    #[serde(default)]
    arguments: Vec<String>,
    /// Runs with the tree as `/`.
    #[serde(default)]
    in_tree: bool,
    /// What it prints is not captured.
    #[serde(default)]
    to_log: bool,
    stdin: Option<String>,
    stdout: Option<String>,
    /// Source and target of a writable bind.
    bind: Option<(String, String)>,
    #[serde(default)]
    environment: Vec<(String, String)>,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| {
        let mut attempts = Attempts::default();
        for run in arguments.options.runs {
            let what = format!("{} {}", run.program, run.arguments.join(" "));
            let uncaptured = run.to_log || run.stdout.is_some();
            let command = command(run);
            let result = if uncaptured {
                command.run().map(|()| String::new())
            } else {
                command.capture_text()
            };
            attempts.note(what.trim(), result);
        }
        attempts.conclude()
    })
}

fn command(run: Run) -> Command {
    let mut command = Command::new(run.program).args(run.arguments);
    for (name, value) in run.environment {
        command = command.env(name, value);
    }
    if run.in_tree {
        command = command.in_tree();
    }
    if let Some(path) = run.stdin {
        command = command.stdin_file(path);
    }
    if let Some(path) = run.stdout {
        command = command.stdout_file(path);
    }
    match run.bind {
        Some((source, target)) => command.bind(source, target, false),
        None => command,
    }
}
