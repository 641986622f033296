//! The modules that are known: their documents (`schemas/` in the repository, plugins at run time) and the schemas made of them.

mod assemble;
mod module;

pub use module::{Module, ModuleError, ModuleKind};

use crate::json::Value;
use crate::schema::Schema;
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// Kind, name and text of each built-in module document.
static BUILTIN: &[(ModuleKind, &str, &str)] = include!(concat!(env!("OUT_DIR"), "/modules.rs"));
static MANIFEST_V1: &str = include_str!("../../../../schemas/manifest-v1.json");
static MANIFEST_V2: &str = include_str!("../../../../schemas/manifest-v2.json");

/// The known modules and the schemas of whole documents. Documents are read and schemas compiled when first needed.
#[derive(Debug)]
pub struct Catalogue {
    modules: BTreeMap<(ModuleKind, String), Entry>,
    manifest_v1: OnceLock<Option<Schema>>,
    manifest_v2: OnceLock<Option<Schema>>,
}

#[derive(Debug)]
struct Entry {
    /// The text of a built-in document.
    text: &'static str,
    module: OnceLock<Option<Module>>,
}

impl Catalogue {
    /// The modules this program comes with.
    pub fn builtin() -> Catalogue {
        let entry = |(kind, name, text): &(ModuleKind, &str, &'static str)| {
            (
                (*kind, (*name).to_owned()),
                Entry {
                    text,
                    module: OnceLock::new(),
                },
            )
        };
        Catalogue {
            modules: BUILTIN.iter().map(entry).collect(),
            manifest_v1: OnceLock::new(),
            manifest_v2: OnceLock::new(),
        }
    }

    /// Adds a module, or replaces the one of this kind and name. The document says both in its `kind` and `name`.
    pub fn add(&mut self, document: Value) -> Result<&Module, ModuleError> {
        self.insert(Module::from_document(document)?)
    }

    /// Adds a module whose kind and name are known otherwise, as for osbuild's `NAME.meta.json`.
    pub fn add_meta(
        &mut self,
        kind: ModuleKind,
        name: &str,
        document: Value,
    ) -> Result<&Module, ModuleError> {
        self.insert(Module::new(kind, name, document)?)
    }

    fn insert(&mut self, module: Module) -> Result<&Module, ModuleError> {
        module.compile()?;
        let key = (module.kind, module.name.clone());
        let entry = Entry {
            text: "",
            module: OnceLock::from(Some(module)),
        };
        let name = key.1.clone();
        let slot = self.modules.entry(key).insert_entry(entry).into_mut();
        slot.module
            .get()
            .and_then(Option::as_ref)
            .ok_or(ModuleError::NotAModule {
                name,
                reason: "it was not kept".into(),
            })
    }

    /// The names of all modules of a kind, sorted.
    pub fn names(&self, kind: ModuleKind) -> impl Iterator<Item = &str> {
        self.modules
            .keys()
            .filter(move |(known, _)| *known == kind)
            .map(|(_, name)| name.as_str())
    }

    /// The module of this kind and name.
    pub fn get(&self, kind: ModuleKind, name: &str) -> Option<&Module> {
        let entry = self.modules.get(&(kind, name.to_owned()))?;
        let read = || {
            let document = crate::json::parse(entry.text.as_bytes()).ok()?;
            Module::new(kind, name, document).ok()
        };
        entry.module.get_or_init(read).as_ref()
    }

    /// The known name nearest to an unknown one, when it is near enough to be meant.
    pub fn nearest(&self, kind: ModuleKind, name: &str) -> Option<String> {
        crate::nearest::nearest(name, self.names(kind))
    }

    /// The schema of whole v1 documents.
    pub(crate) fn manifest_v1(&self) -> Option<&Schema> {
        self.manifest_v1
            .get_or_init(|| compile(MANIFEST_V1))
            .as_ref()
    }

    /// The schema of whole v2 documents.
    pub(crate) fn manifest_v2(&self) -> Option<&Schema> {
        self.manifest_v2
            .get_or_init(|| compile(MANIFEST_V2))
            .as_ref()
    }
}

fn compile(text: &str) -> Option<Schema> {
    Schema::compile(crate::json::parse(text.as_bytes()).ok()?).ok()
}
