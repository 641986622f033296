//! Running a plugin by the program.
use crate::case::CaseError;
use crate::{Ended, Stage};
use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Names the program `osbuild-wasm` to use; otherwise it is looked for on PATH.
const VARIABLE: &str = "OSBUILD_WASM";

/// A plugin that `osbuild-wasm stage run` runs.
#[derive(Debug)]
pub struct Plugin {
    name: String,
    library: PathBuf,
}

impl Plugin {
    /// Builds the project (`osbuild-wasm plugin build`), whose module document is its `module.json`.
    pub fn build(project: impl AsRef<Path>) -> Result<Self, CaseError> {
        let project = project.as_ref();
        let output = ended(program().args(["plugin", "build"]).arg(project))?;
        if !output.status.success() {
            return Err(CaseError::Run(said(&output)));
        }
        let path = project.join("module.json");
        let text = std::fs::read(&path).map_err(CaseError::io(&path))?;
        let name = serde_json::from_slice::<Value>(&text)
            .ok()
            .and_then(|document| Some(document["name"].as_str()?.to_owned()))
            .ok_or_else(|| CaseError::Malformed {
                path,
                cause: "it has no `name`".into(),
            })?;
        Ok(Self {
            name,
            library: project.join("dist"),
        })
    }
}

impl Stage for Plugin {
    fn run(&self, name: Option<&str>, tree: &Path, arguments: &Value) -> Result<Ended, CaseError> {
        let mut document =
            tempfile::NamedTempFile::new().map_err(CaseError::io(&std::env::temp_dir()))?;
        document
            .write_all(arguments.to_string().as_bytes())
            .map_err(CaseError::io(document.path()))?;
        let output = ended(
            program()
                .args(["stage", "run", name.unwrap_or(&self.name)])
                .arg("--libdir")
                .arg(&self.library)
                .arg("--tree")
                .arg(tree)
                .arg("--args")
                .arg(document.path()),
        )?;
        Ok(Ended {
            status: output.status.code().unwrap_or(-1),
            log: said(&output),
            stopped: None,
        })
    }
}

fn program() -> Command {
    let mut command =
        Command::new(std::env::var_os(VARIABLE).unwrap_or_else(|| "osbuild-wasm".into()));
    command.stdin(Stdio::null()).env("NO_COLOR", "1");
    command
}

fn ended(command: &mut Command) -> Result<Output, CaseError> {
    command.output().map_err(|error| {
        let program = command.get_program().to_string_lossy();
        CaseError::Run(format!(
            "cannot start {program}: {error}: put osbuild-wasm on PATH, or name it in {VARIABLE}"
        ))
    })
}

fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}
