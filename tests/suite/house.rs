//! Rules of the house: what depends on what, and what lies where. There is no list of files to extend by hand.
use crate::directions::DIRECTIONS;
use osbuild_wasm_capability::Right;
use osbuild_wasm_tests::paths::workspace;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Rooms whose dependencies are those of their neighbours.
const LIKE: [(&str, &str); 1] = [("tests/hostile", "stages-wasm/stages")];

fn metadata() -> Value {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ])
        .current_dir(workspace())
        .output()
        .expect("cargo");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn packages(metadata: &Value) -> &Vec<Value> {
    metadata["packages"].as_array().expect("packages")
}

/// The path of a package relative to the workspace.
fn room(package: &Value) -> String {
    let manifest = PathBuf::from(package["manifest_path"].as_str().expect("a path"));
    relative(manifest.parent().expect("a directory"))
}

fn relative(path: &Path) -> String {
    path.strip_prefix(workspace())
        .unwrap_or(path)
        .to_string_lossy()
        .into_owned()
}

#[test]
fn dependencies_point_one_way() {
    let metadata = metadata();
    let allowed: BTreeMap<_, _> = DIRECTIONS.into_iter().collect();
    for package in packages(&metadata) {
        let from = room(package);
        let like = LIKE
            .iter()
            .find(|(room, _)| *room == from)
            .map_or(from.as_str(), |(_, like)| *like);
        let allowed = allowed
            .get(like)
            .unwrap_or_else(|| panic!("{from}: say in DIRECTIONS what this room may use"));
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let Some(path) = dependency["path"].as_str() else {
                continue;
            };
            // Tests inside of a room may use what its users use.
            if dependency["kind"] == "dev" {
                continue;
            }
            let to = relative(Path::new(path));
            assert!(
                allowed.contains(&to.as_str()),
                "{from} must not depend on {to}"
            );
        }
    }
}

#[test]
fn only_one_room_sees_the_engine() {
    for package in packages(&metadata()) {
        let room = room(package);
        let uses = package["dependencies"]
            .as_array()
            .expect("dependencies")
            .iter()
            .filter_map(|dependency| dependency["name"].as_str());
        let engine: Vec<_> = uses.filter(|name| name.starts_with("wasmtime")).collect();
        assert!(
            engine.is_empty() || room == "host/component",
            "{room} uses {engine:?}"
        );
    }
}

/// All Rust files of the workspace.
fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut directories = vec![workspace().to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).expect("a directory").flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            if path.is_dir() {
                let skipped =
                    name == "target" || name == "demo" || name.to_string_lossy().starts_with('.');
                directories.extend((!skipped).then_some(path));
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found
}

#[test]
fn no_file_is_longer_than_500_lines() {
    for path in sources() {
        let lines = fs::read_to_string(&path).expect("a source").lines().count();
        assert!(lines <= 500, "{}: {lines} lines: split it", relative(&path));
    }
}

#[test]
fn unsafe_code_is_forbidden_everywhere_but_where_it_is_needed() {
    for package in packages(&metadata()) {
        let room = room(package);
        if [
            "native-helpers/sys",
            "native-helpers/solver-sys",
            "host/component",
        ]
        .contains(&room.as_str())
        {
            continue;
        }
        for target in package["targets"].as_array().expect("targets") {
            let path = target["src_path"].as_str().expect("a path");
            let kind = target["kind"][0].as_str().expect("a kind");
            let text = fs::read_to_string(path).expect("a source");
            let of_tests = ["test", "bench", "custom-build"].contains(&kind);
            assert!(
                of_tests || text.contains("forbid(unsafe_code)"),
                "{path}: forbid(unsafe_code) is missing"
            );
        }
    }
    for path in sources() {
        let name = relative(&path);
        let text = fs::read_to_string(&path).expect("a source");
        let uses = text.lines().any(|line| {
            !line.trim_start().starts_with("//")
                && (line.contains("unsafe {") || line.contains("unsafe fn"))
        });
        let may = name.starts_with("native-helpers/sys/")
            || name.starts_with("native-helpers/solver-sys/")
            || name.starts_with("host/component/")
            || name == "tests/suite/house.rs";
        assert!(!uses || may, "{name} has unsafe code");
    }
}

/// Every source that is reached from a target by `mod`, so that no test is forgotten silently.
fn reached(metadata: &Value) -> BTreeSet<PathBuf> {
    let targets = packages(metadata)
        .iter()
        .flat_map(|package| package["targets"].as_array().expect("targets"));
    let mut todo: Vec<_> = targets
        .map(|target| {
            (
                PathBuf::from(target["src_path"].as_str().expect("a path")),
                true,
            )
        })
        .collect();
    let mut reached = BTreeSet::new();
    while let Some((path, is_root)) = todo.pop() {
        if !reached.insert(path.clone()) {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a source");
        let directory = path.parent().expect("a directory");
        let is_mod = is_root || path.ends_with("mod.rs");
        let below = if is_mod {
            directory.to_owned()
        } else {
            directory.join(path.file_stem().expect("a name"))
        };
        let mut attribute = None;
        for line in text.lines().map(str::trim) {
            if let Some(path) = line
                .strip_prefix("#[path = \"")
                .and_then(|rest| rest.strip_suffix("\"]"))
            {
                attribute = Some(directory.join(path));
                continue;
            }
            let Some(name) = module_name(line) else {
                continue;
            };
            let usual = [
                below.join(format!("{name}.rs")),
                below.join(name).join("mod.rs"),
            ];
            let found = attribute
                .take()
                .into_iter()
                .chain(usual)
                .find(|path| path.is_file());
            // A module of another directory is the same file.
            let found = found.and_then(|path| path.canonicalize().ok());
            todo.extend(found.map(|path| (path, false)));
        }
    }
    reached
}

/// `name` of `mod name;` with any visibility.
fn module_name(line: &str) -> Option<&str> {
    let declared = line.strip_suffix(';')?;
    let (visibility, name) = declared.rsplit_once("mod ")?;
    let plain = visibility.is_empty()
        || visibility.trim_end() == "pub"
        || visibility.trim_end().starts_with("pub(");
    (plain && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')).then_some(name)
}

/// Whether the file belongs to a package of the workspace, and not to one of its own inside (fuzzing, templates).
fn is_of_workspace(path: &Path, rooms: &BTreeSet<String>) -> bool {
    let package = path
        .ancestors()
        .skip(1)
        .find(|directory| directory.join("Cargo.toml").is_file());
    package.is_some_and(|package| rooms.contains(&relative(package)))
}

#[test]
fn every_source_file_is_reached() {
    let metadata = metadata();
    let reached = reached(&metadata);
    let rooms = packages(&metadata).iter().map(room).collect();
    let lost: Vec<_> = sources()
        .into_iter()
        .filter(|path| !reached.contains(path) && is_of_workspace(path, &rooms))
        .map(|path| relative(&path))
        .collect();
    assert!(lost.is_empty(), "no target reaches {lost:#?}");
}

/// Names of the files with that extension in a directory of the workspace, without it.
fn stems(directory: &str, extension: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(workspace().join(directory))
        .unwrap_or_else(|error| panic!("{directory}: {error}"));
    let paths = entries.flatten().map(|entry| entry.path());
    let fitting = paths.filter(|path| path.extension().is_some_and(|other| other == extension));
    fitting
        .filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned()))
        .collect()
}

#[test]
fn every_component_has_its_document() {
    for kind in ["stages", "assemblers"] {
        let documents = stems(&format!("schemas/{kind}"), "json");
        let lacking: Vec<_> = stems(&format!("stages-wasm/{kind}/src/bin"), "rs")
            .difference(&documents)
            .cloned()
            .collect();
        assert!(lacking.is_empty(), "schemas/{kind} lacks {lacking:?}");
    }
}

#[test]
fn every_document_has_the_name_of_its_file_and_says_what_the_module_does() {
    for (directory, kind) in [
        ("stages", "stage"),
        ("assemblers", "assembler"),
        ("sources", "source"),
        ("inputs", "input"),
        ("devices", "device"),
        ("mounts", "mount"),
    ] {
        for stem in stems(&format!("schemas/{directory}"), "json") {
            let file = format!("schemas/{directory}/{stem}.json");
            let document: Value = serde_json::from_str(
                &fs::read_to_string(workspace().join(&file)).expect("a document"),
            )
            .expect("JSON");
            let name = document["name"].as_str().unwrap_or_default();
            let expected = stem.replace('_', ".");
            let short = name.strip_prefix("org.osbuild.").unwrap_or(name);
            assert!(
                short == expected || name == expected,
                "{file}: name {name:?}"
            );
            assert_eq!(document["kind"], kind, "{file}");
            assert!(
                document["summary"]
                    .as_str()
                    .is_some_and(|summary| !summary.is_empty()),
                "{file}: no summary"
            );
        }
    }
}

#[test]
fn every_component_says_what_it_may_do_to_which_paths() {
    for kind in ["stages", "assemblers"] {
        for stem in stems(&format!("stages-wasm/{kind}/src/bin"), "rs") {
            let file = format!("schemas/{kind}/{stem}.json");
            let text = fs::read_to_string(workspace().join(&file)).expect("a document");
            let document: Value = serde_json::from_str(&text).expect("JSON");
            let rights = document["rights"].as_array();
            let rights = rights.unwrap_or_else(|| panic!("{file}: `rights` is missing"));
            for right in rights {
                let right: Right = serde_json::from_value(right.clone())
                    .unwrap_or_else(|error| panic!("{file}: rights: {error}"));
                let empty = right.verbs.is_empty() || right.paths.is_empty();
                assert!(!empty, "{file}: a right without verbs or paths");
            }
        }
    }
}

#[test]
fn every_component_with_programs_says_where_these_read_and_write() {
    for kind in ["stages", "assemblers"] {
        for stem in stems(&format!("stages-wasm/{kind}/src/bin"), "rs") {
            let file = format!("schemas/{kind}/{stem}.json");
            let text = fs::read_to_string(workspace().join(&file)).expect("a document");
            let document: Value = serde_json::from_str(&text).expect("JSON");
            let has_programs = document["programs"].is_array();
            assert_eq!(
                document["programs-touch"].is_object(),
                has_programs,
                "{file}"
            );
        }
    }
}

/// The programs that a source names where it makes a command.
fn programs_of(text: &str) -> impl Iterator<Item = &str> {
    let starts = text.split("Command::new(\"").skip(1);
    starts.filter_map(|rest| rest.split('"').next())
}

#[test]
fn every_program_of_a_component_stands_in_its_document() {
    for kind in ["stages", "assemblers"] {
        let sources = format!("stages-wasm/{kind}/src/bin");
        for stem in stems(&sources, "rs") {
            let read = |file: String| fs::read_to_string(workspace().join(file)).expect("a file");
            let source = read(format!("{sources}/{stem}.rs"));
            let document: Value =
                serde_json::from_str(&read(format!("schemas/{kind}/{stem}.json"))).expect("JSON");
            for program in programs_of(&source) {
                let named = document["programs"].as_array().into_iter().flatten();
                let mut named = named.filter_map(Value::as_str);
                assert!(
                    named.any(|name| name == program),
                    "schemas/{kind}/{stem}.json: `programs` lacks {program}"
                );
            }
        }
    }
}
