//! `osbuild-wasm blueprint`. The documents are in tests/blueprints: `right`, and what is wrong with its `syntax`, its `shape` (names and
//! types, which the schema knows), or after the `rules` between fields, each with what is said of it.
mod commands;
mod schema;
mod types;

use osbuild_wasm_tests::paths::workspace;
use osbuild_wasm_tests::{Ended, Program};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// How many kinds of wrong blueprints there are at least.
const WRONG: usize = 60;

fn directory(name: &str) -> PathBuf {
    workspace().join("tests/blueprints").join(name)
}

/// The blueprints of a directory, sorted.
fn blueprints(name: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory(name))
        .expect("a directory")
        .flatten();
    let mut files: Vec<_> = entries
        .map(|entry| entry.path())
        .filter(|path| has_extension(path, "toml") || has_extension(path, "json"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{name}");
    files
}

fn has_extension(path: &Path, wanted: &str) -> bool {
    path.extension()
        .is_some_and(|extension| extension == wanted)
}

fn name_of(path: &Path) -> String {
    path.file_name()
        .expect("a name")
        .to_string_lossy()
        .into_owned()
}

/// Checks a blueprint where it is.
fn check(path: &Path, options: &str) -> Ended {
    Program::new(&format!("blueprint check {options}"))
        .arg(name_of(path))
        .directory(path.parent().expect("a directory"))
        .run()
}

/// The values of a blueprint, read by somebody else.
fn values(path: &Path) -> Value {
    let text = fs::read_to_string(path).expect("a blueprint");
    if has_extension(path, "json") {
        return serde_json::from_str(&text).expect("JSON");
    }
    let table: toml::Table = toml::from_str(&text).expect("TOML");
    serde_json::to_value(table).expect("values")
}

/// What is said of each wrong blueprint of a directory is kept beside it.
fn says_what_is_kept(kind: &str) -> usize {
    let directory = directory(kind);
    let files = blueprints(kind);
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(&directory);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.remove_description();
    for file in &files {
        let ended = check(file, "").expect(2);
        let said = format!("{}{}", ended.stderr, ended.stdout);
        let name = name_of(file);
        assert!(
            said.contains(&format!("--> {name}:")),
            "{name}: no position\n{said}"
        );
        assert_eq!(
            said.matches("error: ").count() + said.matches("warning: ").count(),
            said.matches("= help: ").count(),
            "{name}: a hint for each\n{said}"
        );
        settings.bind(|| insta::assert_snapshot!(name, said));
    }
    let names: BTreeSet<String> = files.iter().map(|file| name_of(file)).collect();
    for entry in fs::read_dir(&directory).expect("a directory").flatten() {
        let path = entry.path();
        let of = name_of(&path).replace(".snap", "");
        assert!(names.contains(&of), "{} is of no blueprint", path.display());
    }
    files.len()
}

#[test]
fn what_is_wrong_is_told_with_position_sentence_and_hint() {
    let kinds = ["wrong/syntax", "wrong/shape", "wrong/rules"];
    let count: usize = kinds.map(says_what_is_kept).into_iter().sum();
    assert!(count >= WRONG, "{count}");
}

#[test]
fn programs_are_told_the_same() {
    for kind in ["wrong/syntax", "wrong/shape", "wrong/rules"] {
        for file in blueprints(kind) {
            let ended = check(&file, "--json").expect(2);
            assert_eq!(ended.stderr, "");
            let report = ended.json();
            assert_eq!(report["success"], false);
            let problems = report["documents"][0]["problems"]
                .as_array()
                .expect("problems");
            let text = fs::read_to_string(&file).expect("a blueprint");
            let people = check(&file, "").stderr;
            for problem in problems {
                let number =
                    |key: &str| usize::try_from(problem[key].as_u64().expect("a number")).unwrap();
                assert!(
                    text.get(number("start")..number("end")).is_some(),
                    "{problem}"
                );
                let place = format!(
                    "--> {}:{}:{}\n",
                    name_of(&file),
                    number("line"),
                    number("column")
                );
                assert!(people.contains(&place), "{place}{people}");
                for key in ["message", "expected", "hint"] {
                    assert!(
                        !problem[key].as_str().expect("a text").is_empty(),
                        "{problem}"
                    );
                }
            }
        }
    }
}

#[test]
fn right_blueprints_can_be_used_and_say_the_same_in_either_language() {
    for file in blueprints("right") {
        check(&file, "").expect(0);
        let convert = |text: &Path, to: &str| {
            let ended = Program::new(&format!("blueprint convert --to {to}"))
                .arg(text)
                .run();
            ended.expect(0).stdout
        };
        let scratch = osbuild_wasm_tests::Scratch::new();
        // TOML has no size of 0, so it comes first.
        let toml = scratch.write("written.toml", convert(&file, "toml"));
        let json = scratch.write("written.json", convert(&toml, "json"));
        let again = scratch.write("again.toml", convert(&json, "toml"));
        assert_eq!(
            fs::read_to_string(&toml).unwrap(),
            fs::read_to_string(&again).unwrap(),
            "{}",
            file.display()
        );
        assert_eq!(
            fs::read_to_string(&json).unwrap(),
            convert(&again, "json"),
            "{}",
            file.display()
        );
    }
}
