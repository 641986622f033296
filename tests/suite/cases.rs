//! Every stage on small trees: `tests/cases/STAGE/CASE.json` says what is there before, what the stage is asked, what must come out.
//!
//! `tree` and `expect.tree` map paths to `{"content"}`, `{"link"}` or `{"dir": true}`, each with an optional octal `mode`; what
//! `expect.tree` does not name is not looked at; `expect.absent` lists what may not be there. `expect.log` is a part of what the stage says.
//! `inputs` maps names to `{"tree", "data"}`: what is in the input's directory and what its module says about it.
use osbuild_wasm_tests::{Program, Scratch};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

fn cases() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let below = |path: PathBuf| {
        fs::read_dir(path)
            .unwrap()
            .map(|entry| entry.unwrap().path())
    };
    let mut cases: Vec<_> = below(root).flat_map(below).collect();
    cases.sort();
    cases
}

fn mode_of(entry: &Value) -> Option<u32> {
    entry["mode"]
        .as_str()
        .map(|mode| u32::from_str_radix(mode, 8).unwrap())
}

fn make(tree: &Path, name: &str, entry: &Value) {
    let path = tree.join(name.trim_start_matches('/'));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    if let Some(text) = entry["link"].as_str() {
        return symlink(text, &path).unwrap();
    }
    match entry["content"].as_str() {
        Some(content) => fs::write(&path, content).unwrap(),
        None => fs::create_dir_all(&path).unwrap(),
    }
    if let Some(mode) = mode_of(entry) {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
}

fn differs(tree: &Path, name: &str, entry: &Value) -> Option<String> {
    let path = tree.join(name.trim_start_matches('/'));
    let Ok(metadata) = fs::symlink_metadata(&path) else {
        return Some(format!("{name} is missing"));
    };
    if let Some(text) = entry["link"].as_str() {
        let found = fs::read_link(&path).ok()?;
        return (found != Path::new(text))
            .then(|| format!("{name} is a link to {}", found.display()));
    }
    if let Some(content) = entry["content"].as_str() {
        let found = String::from_utf8_lossy(&fs::read(&path).unwrap_or_default()).into_owned();
        if found != content {
            return Some(format!("{name} holds {found:?}, not {content:?}"));
        }
    } else if !metadata.is_dir() {
        return Some(format!("{name} is no directory"));
    }
    let mode = metadata.permissions().mode() & 0o7777;
    mode_of(entry)
        .filter(|wanted| *wanted != mode)
        .map(|wanted| format!("{name} has mode {mode:o}, not {wanted:o}"))
}

/// What is wrong with the outcome of one case.
fn problems(case: &Value) -> Vec<String> {
    let scratch = Scratch::new();
    let tree = scratch.directory("tree");
    for (name, entry) in case["tree"].as_object().unwrap() {
        make(&tree, name, entry);
    }
    let mut arguments = json!({ "tree": tree, "inputs": {}, "devices": {}, "mounts": {}, "meta": { "id": "0".repeat(64) } });
    for (name, input) in case["inputs"].as_object().into_iter().flatten() {
        let directory = scratch.directory(&format!("input-{name}"));
        for (path, entry) in input["tree"].as_object().into_iter().flatten() {
            make(&directory, path, entry);
        }
        arguments["inputs"][name] = json!({ "path": directory, "data": input.get("data").cloned().unwrap_or_else(|| json!({})) });
    }
    for (key, value) in case["arguments"].as_object().unwrap() {
        arguments[key] = value.clone();
    }
    let document = scratch.path("arguments.json");
    fs::write(&document, arguments.to_string()).unwrap();
    let stage = case["stage"].as_str().unwrap();
    let ended = Program::new("stage run")
        .arg(stage)
        .arg("--tree")
        .arg(&tree)
        .arg("--args")
        .arg(&document)
        .run();
    let expect = &case["expect"];
    let mut problems = Vec::new();
    if i64::from(ended.code()) != expect["status"].as_i64().unwrap() {
        problems.push(format!("status {}: {}", ended.code(), ended.all()));
    }
    if let Some(part) = expect["log"].as_str()
        && !ended.all().contains(part)
    {
        problems.push(format!("the log lacks {part:?}: {}", ended.all()));
    }
    let wanted = expect["tree"].as_object().into_iter().flatten();
    problems.extend(wanted.filter_map(|(name, entry)| differs(&tree, name, entry)));
    let absent = expect["absent"].as_array().into_iter().flatten();
    let absent = absent.filter_map(Value::as_str);
    let present = absent.filter(|name| tree.join(name.trim_start_matches('/')).exists());
    problems.extend(present.map(|name| format!("{name} is there")));
    problems
}

#[test]
fn every_case_of_a_stage_gives_what_it_says() {
    let mut failed = Vec::new();
    for path in cases() {
        let case: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let problems = problems(&case);
        if !problems.is_empty() {
            failed.push(format!("{}: {}", path.display(), problems.join("; ")));
        }
    }
    assert!(
        failed.is_empty(),
        "{} cases failed:\n{}",
        failed.len(),
        failed.join("\n")
    );
}
