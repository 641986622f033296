//! Cases of built-in stages: `tests/cases/STAGE/CASE.json` says what is there before, what the stage is asked, what must come out.
use crate::{Program, Scratch};
use osbuild_stage_test::{Case, CaseError, Ended, Stage, cases};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// The program, asked to run a built-in stage.
#[derive(Debug, Clone, Copy)]
pub struct Builtin;

impl Stage for Builtin {
    fn run(&self, name: Option<&str>, tree: &Path, arguments: &Value) -> Result<Ended, CaseError> {
        let scratch = Scratch::new();
        let ended = Program::new("stage run")
            .arg(name.expect("a case of a built-in stage names it"))
            .option("--tree", tree)
            .option("--args", scratch.json("arguments.json", arguments))
            .run();
        Ok(Ended {
            status: ended.code(),
            log: ended.all(),
            stopped: None,
        })
    }
}

/// All cases, with the names of their directories; sorted.
///
/// # Panics
/// Where one cannot be read.
pub fn all() -> Vec<(String, Case)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let entries = fs::read_dir(root).unwrap();
    let mut directories: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    directories.sort();
    let of_directory = |directory: std::path::PathBuf| {
        let stage = directory.file_name().unwrap_or_default();
        let stage = stage.to_string_lossy().into_owned();
        let found = cases(&directory).unwrap().into_iter();
        found.map(move |case| (stage.clone(), case))
    };
    directories.into_iter().flat_map(of_directory).collect()
}
