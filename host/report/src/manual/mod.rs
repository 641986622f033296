//! The manual of modules, and of documents that have a schema: what each is for, its options, what it runs. Made of the modules' documents, so that it says what holds.
mod fields;
mod html;
mod markdown;
mod options;
mod roff;

pub use fields::fields;
pub use html::html;
pub use markdown::markdown;
pub use roff::roff;

use options::OptionRow;
use osbuild_wasm_manifest::catalogue::{Catalogue, Module, ModuleKind};
use serde_json::Value;

/// One module, ready to be written in any form.
#[derive(Debug)]
pub struct Entry {
    /// Module name, e.g. `org.osbuild.fstab`.
    pub name: String,
    kind: ModuleKind,
    summary: String,
    description: Vec<String>,
    options: Vec<OptionRow>,
    /// Lines such as `programs: rpm, rpmkeys`.
    facts: Vec<String>,
}

/// The entries of all modules of a catalogue: by kind, then by name.
pub fn entries(catalogue: &Catalogue) -> Vec<Entry> {
    let kinds = ModuleKind::ALL.into_iter();
    let modules = kinds.flat_map(|kind| {
        let names = catalogue.names(kind);
        names.filter_map(move |name| catalogue.get(kind, name))
    });
    modules.map(Entry::of).collect()
}

impl Entry {
    fn of(module: &Module) -> Self {
        let document: Value = (&module.document).into();
        Self {
            name: module.name.clone(),
            kind: module.kind,
            summary: module.summary.clone(),
            description: module.description.clone(),
            options: options::of(module.kind, &document),
            facts: facts(&document),
        }
    }
}

fn facts(document: &Value) -> Vec<String> {
    let words = |key: &str| {
        let list = document.get(key)?.as_array()?.iter();
        let list: Vec<_> = list.filter_map(Value::as_str).collect();
        (!list.is_empty()).then(|| list.join(", "))
    };
    let named = |(key, title): (&str, &str)| Some(format!("{title}: {}", words(key)?));
    let older = document.get("alias_of").and_then(Value::as_str);
    let older = older.map(|name| format!("older name of: {name}"));
    let given = ["inputs", "devices", "mounts"].into_iter();
    let given: Vec<_> = given
        .filter(|key| document.pointer(&format!("/schema_2/{key}")).is_some())
        .collect();
    let given = (!given.is_empty()).then(|| format!("is given: {}", given.join(", ")));
    let lists = [
        ("programs", "programs"),
        ("privileged-programs", "programs that are as strong as root"),
        ("capabilities", "Linux capabilities of its programs"),
        ("reads", "reads of the build root"),
        ("environment", "variables of its programs"),
    ];
    older
        .into_iter()
        .chain(given)
        .chain(lists.into_iter().filter_map(named))
        .collect()
}
