//! Output without what differs from run to run.
use crate::Scratch;
use regex_lite::Regex;

/// Names what differs instead of showing it: the scratch directory, ids, times, loop devices, process ids, sizes of components.
pub fn steady(text: &str, scratch: Option<&Scratch>) -> String {
    let mut text = text.to_owned();
    if let Some(scratch) = scratch {
        text = text.replace(&*scratch.root().to_string_lossy(), "[DIR]");
    }
    let filters = [
        (r"\b[0-9a-f]{64}\b", "[ID]"),
        (r"\b\d+(\.\d+)? (ms|s|min)\b", "[TIME]"),
        (r"\b\d+\.\d+s\b", "[TIME]"),
        (r"(?m)^  runner: .*$", "  runner: [RUNNER]"),
        (r"/dev/loop\d+", "/dev/loop[N]"),
        (r"\d+ bytes, sha256", "[N] bytes, sha256"),
        (r"(?m)[ \t]+$", ""),
    ];
    for (pattern, replacement) in filters {
        let pattern = Regex::new(pattern).expect("a constant");
        text = pattern.replace_all(&text, replacement).into_owned();
    }
    text
}

/// The shape of a JSON document: each value replaced by the name of its type, each list by the shapes that occur in it.
pub fn shape(value: &serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::Null => "null".into(),
        Value::Bool(_) => "boolean".into(),
        Value::Number(_) => "number".into(),
        Value::String(_) => "string".into(),
        Value::Array(items) => {
            let mut shapes: Vec<Value> = Vec::new();
            for shape in items.iter().map(shape) {
                if !shapes.contains(&shape) {
                    shapes.push(shape);
                }
            }
            shapes.into()
        }
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| (name.clone(), shape(value)))
            .collect(),
    }
}
