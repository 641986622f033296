//! Every stage on small trees: `tests/cases/STAGE/CASE.json` says what is there before, what the stage is asked, what must come out.
use osbuild_stage_test::tree::Snapshot;
use osbuild_stage_test::{CaseError, Ended, Stage, cases};
use osbuild_wasm_tests::{Program, Scratch};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// The program, asked to run a built-in stage.
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

pub fn directories() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let mut directories: Vec<_> = fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    directories.sort();
    directories
}

#[track_caller]
fn none_failed(failed: &[String]) {
    let (count, list) = (failed.len(), failed.join("\n"));
    assert!(failed.is_empty(), "{count} cases failed:\n{list}");
}

#[test]
fn every_case_of_a_stage_gives_what_it_says() {
    let mut failed = Vec::new();
    for directory in directories() {
        for case in cases(&directory).unwrap() {
            let problems = case.problems(&Builtin).unwrap();
            if !problems.is_empty() {
                let directory = directory.display();
                failed.push(format!(
                    "{directory}/{}: {}",
                    case.name,
                    problems.join("; ")
                ));
            }
        }
    }
    none_failed(&failed);
}

#[test]
fn a_second_run_changes_nothing_but_what_its_case_names() {
    let mut failed = Vec::new();
    for directory in directories() {
        for case in cases(&directory).unwrap() {
            let scratch = Scratch::new();
            let root = scratch.path("tree");
            if case.expect.invalid || case.run(&Builtin, &root).unwrap().status != 0 {
                continue;
            }
            let first = Snapshot::of(&root).unwrap();
            // It may refuse to do its work twice, but then leaves everything as it is.
            let document = case.document(&root).unwrap();
            Builtin
                .run(case.stage.as_deref(), &root, &document)
                .unwrap();
            let changes = Snapshot::of(&root).unwrap().changes_since(&first);
            let undeclared = changes.iter().filter(|change| !case.allows_again(change));
            let undeclared: Vec<_> = undeclared.map(ToString::to_string).collect();
            if !undeclared.is_empty() {
                let (directory, changes) = (directory.display(), undeclared.join("; "));
                failed.push(format!("{directory}/{}: {changes}", case.name));
            }
        }
    }
    none_failed(&failed);
}

#[test]
fn a_missing_tree_is_made_but_not_its_parents() {
    let scratch = Scratch::new();
    let arguments = json!({ "options": { "hostname": "new" } });
    let run = |tree: &str| {
        Program::new("stage run org.osbuild.hostname")
            .option("--tree", scratch.path(tree))
            .option("--args", scratch.json("arguments.json", &arguments))
            .run()
    };
    run("tree").expect(0);
    assert_eq!(scratch.read("tree/etc/hostname"), "new\n");
    run("missing/tree").expect(2).says("missing/tree");
    assert!(!scratch.path("missing").exists());
}
