//! Values that are to be a line, or a part of one, of a file that a stage writes.
use osbuild_stage_test::Case;
use osbuild_stage_test::tree::{Kind, Snapshot};
use osbuild_wasm_tests::Scratch;
use osbuild_wasm_tests::cases::{Builtin, all};
use serde_json::Value;
use std::collections::BTreeSet;

/// What a value brings along.
const MORE: &str = "\nINJECTED=1";

/// JSON pointers to all strings of a value.
fn strings(value: &Value, pointer: &str, found: &mut Vec<String>) {
    match value {
        Value::String(_) => found.push(pointer.to_owned()),
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                strings(item, &format!("{pointer}/{at}"), found);
            }
        }
        Value::Object(entries) => {
            for (key, item) in entries {
                let key = key.replace('~', "~0").replace('/', "~1");
                strings(item, &format!("{pointer}/{key}"), found);
            }
        }
        _ => {}
    }
}

/// The files of a run that have a line of the value's.
fn injected(case: &Case) -> Vec<String> {
    let scratch = Scratch::new();
    let root = scratch.path("tree");
    case.run(&Builtin, &root).unwrap();
    let has_line = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        text.lines()
            .any(|line| line.trim_start().starts_with("INJECTED"))
    };
    let objects = Snapshot::of(&root).unwrap().0.into_iter();
    let files =
        objects.filter(|(_, object)| matches!(&object.kind, Kind::File(bytes) if has_line(bytes)));
    files.map(|(path, _)| path.display().to_string()).collect()
}

/// Options whose values are texts of several lines by their meaning: a script, a list of keys, commands of a console.
const TEXTS: [(&str, &str); 6] = [
    ("org.osbuild.cron.script", "/simple/command"),
    ("org.osbuild.grub2", "/config/serial"),
    ("org.osbuild.kickstart", "/%post/*/commands/*"),
    ("org.osbuild.test", "/script"),
    ("org.osbuild.users", "/users/*/key"),
    ("org.osbuild.users", "/users/*/keys/*"),
];

/// A pointer with `*` for places of lists and names of users.
fn kind_of(stage: &str, pointer: &str) -> (String, String) {
    let mut parts: Vec<&str> = pointer.split('/').collect();
    let named = usize::from(stage == "org.osbuild.users") * 2;
    for (at, part) in parts.iter_mut().enumerate() {
        if part.parse::<usize>().is_ok() || (at == named && at > 0) {
            *part = "*";
        }
    }
    (stage.to_owned(), parts.join("/"))
}

/// The case with more than a line in one option.
fn changed(case: &Case, pointer: &str) -> Option<Case> {
    let mut case = case.clone();
    let options = case.arguments.get_mut("options")?;
    match options.pointer_mut(pointer)? {
        Value::String(text) => text.push_str(MORE),
        _ => return None,
    }
    Some(case)
}

#[test]
fn a_value_never_becomes_a_line_of_its_own() {
    let mut seen = BTreeSet::new();
    let mut failed = Vec::new();
    let cases = all().into_iter().map(|(_, case)| case);
    for case in cases.filter(|case| !case.expect.invalid && case.expect.status == 0) {
        let mut pointers = Vec::new();
        strings(&case.options(), "", &mut pointers);
        for pointer in pointers {
            let kind = kind_of(case.stage.as_deref().unwrap_or_default(), &pointer);
            let is_text = TEXTS.contains(&(kind.0.as_str(), kind.1.as_str()));
            if is_text || !seen.insert(kind.clone()) {
                continue;
            }
            let files = changed(&case, &pointer).map(|case| injected(&case));
            if let Some(files) = files.filter(|files| !files.is_empty()) {
                failed.push(format!("{} {}: {}", kind.0, kind.1, files.join(" ")));
            }
        }
    }
    let (count, list) = (failed.len(), failed.join("\n"));
    assert!(
        failed.is_empty(),
        "{count} of {} options:\n{list}",
        seen.len()
    );
}
