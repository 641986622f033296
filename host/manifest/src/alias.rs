//! Old module names that stand for another module with one option given.

use crate::json::{Text, Value};
use crate::model::{Alias, StageClass};

/// One old name.
pub(crate) struct KnownAlias {
    class: StageClass,
    /// The name in documents.
    pub name: &'static str,
    /// The module that runs.
    pub module: &'static str,
    /// An option of that module the name implies, with its value, unless the document has that option.
    implied: (&'static str, &'static str),
}

const ALIASES: [KnownAlias; 1] = [KnownAlias {
    class: StageClass::Assembler,
    name: "io.weldr.qcow2",
    module: "org.osbuild.qemu",
    implied: ("format", "qcow2"),
}];

/// The alias of this name, if it is one.
pub(crate) fn find(class: StageClass, name: &str) -> Option<&'static KnownAlias> {
    ALIASES
        .iter()
        .find(|alias| alias.class == class && alias.name == name)
}

impl KnownAlias {
    /// The options with the implied one filled in.
    pub fn fill(&self, options: &Value) -> Value {
        let mut filled = options.clone();
        if let Value::Object(members) = &mut filled {
            let (key, value) = self.implied;
            members
                .entry(Text::from(key))
                .or_insert_with(|| value.into());
        }
        filled
    }
}

/// What runs for a module name of a document: module, options, and the document's words when these differ.
pub(crate) fn apply(
    class: StageClass,
    name: &str,
    options: Value,
) -> (String, Value, Option<Alias>) {
    match find(class, name) {
        None => (name.to_owned(), options, None),
        Some(alias) => {
            let filled = alias.fill(&options);
            (
                alias.module.to_owned(),
                filled,
                Some(Alias {
                    name: name.to_owned(),
                    options,
                }),
            )
        }
    }
}
