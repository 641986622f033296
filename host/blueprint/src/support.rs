//! Which fields a blueprint uses, for image types that take some of them only.

use crate::model::Blueprint;
use osbuild_wasm_manifest::problem::{Path, PathElement};
use serde_json::Value;

/// Fields that every image type takes.
const ALWAYS: [&str; 5] = ["name", "version", "description", "distro", "architecture"];

/// The fields of a blueprint that are set and neither in `supported` nor below one of these, in the order of the model. `supported` has
/// dotted names without indexes, such as `customizations.kernel.append`; the paths that come back have indexes.
pub fn unsupported<S: AsRef<str>>(blueprint: &Blueprint, supported: &[S]) -> Vec<Path> {
    let mut found = Vec::new();
    let mut walk = Walk {
        supported: supported.iter().map(AsRef::as_ref).chain(ALWAYS).collect(),
        path: Path::new(),
        name: Vec::new(),
        found: &mut found,
    };
    walk.value(&blueprint.to_value());
    found
}

/// The fields of `required` that are not set.
pub fn missing<'r, S: AsRef<str>>(blueprint: &Blueprint, required: &'r [S]) -> Vec<&'r str> {
    let value = blueprint.to_value();
    let is_set = |name: &&str| {
        let found = name
            .split('.')
            .try_fold(&value, |value, key| value.get(key));
        found.is_some_and(|value| !is_empty(value))
    };
    let required = required.iter().map(AsRef::as_ref);
    required.filter(|name| !is_set(name)).collect()
}

struct Walk<'s> {
    supported: Vec<&'s str>,
    path: Path,
    /// The keys of the path.
    name: Vec<String>,
    found: &'s mut Vec<Path>,
}

impl Walk<'_> {
    fn value(&mut self, value: &Value) {
        let name = self.name.join(".");
        if is_empty(value) || self.supported.contains(&name.as_str()) {
            return;
        }
        let leads_on = |supported: &&str| {
            let rest = supported.strip_prefix(name.as_str());
            name.is_empty() || rest.is_some_and(|rest| rest.starts_with('.'))
        };
        let has_supported = self.supported.iter().any(leads_on);
        match value {
            Value::Object(members) if has_supported => {
                for (key, member) in members {
                    self.name.push(key.clone());
                    self.step(key.as_str().into(), member);
                    self.name.pop();
                }
            }
            Value::Array(items) if has_supported => {
                for (index, item) in items.iter().enumerate() {
                    self.step(index.into(), item);
                }
            }
            _ => self.found.push(self.path.clone()),
        }
    }

    fn step(&mut self, step: PathElement, value: &Value) {
        self.path.push(step);
        self.value(value);
        self.path.pop();
    }
}

/// What a document could as well leave out.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.values().all(is_empty),
    }
}
