//! The tools of the languages. Each leaves a component, or a command of WASI 0.1, and its path is returned.
use crate::error::{PluginError, Result};
use osbuild_wasm_files::resolve::make_directory;
use serde_json::Value;
use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where `make`, componentize-py and npm of a project leave what they made.
const COMPONENT: &str = "build/component.wasm";

/// Rust: cargo says where the only program of the package is.
pub(super) fn cargo(project: &Path) -> Result<PathBuf> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .args(["build", "--release", "--target", "wasm32-wasip2"])
        .args(["--message-format", "json-render-diagnostics"]);
    let advice = "install Rust by rustup, and the target by `rustup target add wasm32-wasip2`";
    let messages = run(&mut command, project, "cargo", advice)?;
    let programs: Vec<_> = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|message| Some(PathBuf::from(message["executable"].as_str()?)))
        .collect();
    match programs.as_slice() {
        [program] => Ok(program.clone()),
        programs => Err(failed(
            "cargo",
            format!(
                "the package makes {} programs: a plugin has one",
                programs.len()
            ),
        )),
    }
}

/// C: whatever the Makefile says.
pub(super) fn make(project: &Path) -> Result<PathBuf> {
    let advice = "install make, clang, lld, wasi-libc and libclang-rt-14-dev-wasm32 (Debian), or the WASI SDK";
    made_by(&mut Command::new("make"), project, "make", advice)
}

/// Python: from the project's virtual environment, else from PATH.
pub(super) fn componentize_py(project: &Path) -> Result<PathBuf> {
    let own = project.join(".venv/bin/componentize-py");
    let program = if own.is_file() {
        // The working directory will be the project.
        std::path::absolute(&own).map_err(PluginError::io(&own))?
    } else {
        "componentize-py".into()
    };
    let directory = project.join("build");
    make_directory(&directory).map_err(PluginError::io(&directory))?;
    let mut command = Command::new(program);
    command
        .args(["--wit-path", "wit", "--world", "plugin", "componentize"])
        .args(["app", "--output", COMPONENT]);
    let advice = "install it: `python3 -m venv .venv && .venv/bin/pip install -r requirements.txt`";
    made_by(&mut command, project, "componentize-py", advice)
}

/// JavaScript: the package's script `build`.
pub(super) fn npm(project: &Path) -> Result<PathBuf> {
    if !project.join("node_modules").is_dir() {
        return Err(failed(
            "npm",
            format!(
                "{} has no node_modules: run `npm install` there first",
                project.display()
            ),
        ));
    }
    let directory = project.join("build");
    make_directory(&directory).map_err(PluginError::io(&directory))?;
    let mut command = Command::new("npm");
    command.args(["run", "--silent", "build"]);
    let advice = "install Node.js with npm";
    made_by(&mut command, project, "npm", advice)
}

fn made_by(command: &mut Command, project: &Path, tool: &str, advice: &str) -> Result<PathBuf> {
    let messages = run(command, project, tool, advice)?;
    eprint_tool(&messages);
    let made = project.join(COMPONENT);
    if made.is_file() {
        return Ok(made);
    }
    Err(failed(
        tool,
        format!(
            "it succeeded but left no {COMPONENT}: that is where a plugin's build has to put it"
        ),
    ))
}

/// Runs a tool in the project; its standard error passes through, its standard output is returned.
fn run(command: &mut Command, project: &Path, tool: &str, advice: &str) -> Result<String> {
    let output = command
        .current_dir(project)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| match error.kind() {
            ErrorKind::NotFound => failed(tool, format!("it is not there: {advice}")),
            _ => failed(tool, format!("it cannot be started: {error}")),
        })?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    if command.get_program() != OsStr::new("cargo") {
        eprint_tool(&text);
    }
    Err(failed(
        tool,
        format!("it failed ({}); its messages are above", output.status),
    ))
}

/// What a tool said belongs to its other messages.
#[allow(
    clippy::print_stderr,
    reason = "the messages of a compiler go where compilers put them"
)]
fn eprint_tool(text: &str) {
    eprint!("{text}");
}

fn failed(tool: &str, cause: String) -> PluginError {
    PluginError::Tool {
        tool: tool.to_owned(),
        cause,
    }
}
