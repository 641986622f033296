//! One module document.

use super::assemble::assemble;
use crate::json::Value;
use crate::model::Version;
use crate::schema::{Schema, SchemaError};
use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

/// The kinds of modules; names are unique within a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ModuleKind {
    /// Changes a tree.
    Stage,
    /// Makes an artefact of a tree (v1 documents).
    Assembler,
    /// Fetches things.
    Source,
    /// Gives a stage something to read.
    Input,
    /// Gives a stage a device node.
    Device,
    /// Gives a stage a mounted file system.
    Mount,
}

impl ModuleKind {
    /// All kinds.
    pub const ALL: [ModuleKind; 6] = [
        ModuleKind::Stage,
        ModuleKind::Assembler,
        ModuleKind::Source,
        ModuleKind::Input,
        ModuleKind::Device,
        ModuleKind::Mount,
    ];

    /// The word for the kind, as in a module document.
    pub fn as_str(self) -> &'static str {
        match self {
            ModuleKind::Stage => "stage",
            ModuleKind::Assembler => "assembler",
            ModuleKind::Source => "source",
            ModuleKind::Input => "input",
            ModuleKind::Device => "device",
            ModuleKind::Mount => "mount",
        }
    }
}

impl fmt::Display for ModuleKind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.as_str())
    }
}

impl FromStr for ModuleKind {
    type Err = ModuleError;

    fn from_str(word: &str) -> Result<Self, ModuleError> {
        let known = ModuleKind::ALL
            .into_iter()
            .find(|kind| kind.as_str() == word);
        known.ok_or_else(|| ModuleError::UnknownKind(word.to_owned()))
    }
}

/// A module document cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModuleError {
    /// No such kind of module.
    #[error(
        "`{0}` is no kind of module: it is one of stage, assembler, source, input, device, mount"
    )]
    UnknownKind(String),
    /// A member is missing or of the wrong type.
    #[error("the document of module {name} cannot be used: {reason}")]
    NotAModule {
        /// Name of the module, as far as it is known.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// The schema of the module cannot be used.
    #[error("the schema of module {name} cannot be used")]
    Schema {
        /// Name of the module.
        name: String,
        /// What is wrong.
        source: SchemaError,
    },
}

/// What is known of a module.
#[derive(Debug)]
pub struct Module {
    /// Kind.
    pub kind: ModuleKind,
    /// Name, e.g. `org.osbuild.mkdir`.
    pub name: String,
    /// One line.
    pub summary: String,
    /// Some more lines.
    pub description: Vec<String>,
    /// Linux capabilities its tools need beyond the default set.
    pub capabilities: Vec<String>,
    /// Programs it may run in the build root.
    pub programs: Vec<String>,
    /// The module this one is an older name of.
    pub alias_of: Option<String>,
    /// The whole document, for callers that need other members.
    pub document: Value,
    v1: OnceLock<Result<Schema, SchemaError>>,
    v2: OnceLock<Result<Schema, SchemaError>>,
}

impl Module {
    /// Reads a document that says its own `kind` and `name`.
    pub fn from_document(document: Value) -> Result<Module, ModuleError> {
        let text = |key: &str| document.get(key).and_then(Value::as_str).map(str::to_owned);
        let name = text("name").ok_or_else(|| not_a_module("?", "`name` is missing"))?;
        let kind = text("kind")
            .ok_or_else(|| not_a_module(&name, "`kind` is missing"))?
            .parse()?;
        Module::new(kind, &name, document)
    }

    /// Reads a document of a module whose kind and name are given.
    pub fn new(kind: ModuleKind, name: &str, document: Value) -> Result<Module, ModuleError> {
        let summary = document.get("summary").and_then(Value::as_str);
        let summary = summary
            .ok_or_else(|| not_a_module(name, "`summary` (one line of text) is missing"))?
            .to_owned();
        for key in ["schema", "schema_2"] {
            if document
                .get(key)
                .is_some_and(|schema| schema.as_object().is_none())
            {
                return Err(not_a_module(name, &format!("`{key}` is not an object")));
            }
        }
        if document
            .get("schema")
            .or(document.get("schema_2"))
            .is_none()
        {
            return Err(not_a_module(name, "it has neither `schema` nor `schema_2`"));
        }
        Ok(Module {
            kind,
            name: name.to_owned(),
            summary,
            description: lines(&document, name, "description")?,
            capabilities: lines(&document, name, "capabilities")?,
            programs: lines(&document, name, "programs")?,
            alias_of: document
                .get("alias_of")
                .and_then(Value::as_str)
                .map(str::to_owned),
            document,
            v1: OnceLock::new(),
            v2: OnceLock::new(),
        })
    }

    /// The schema of what a manifest of this version says of the module.
    pub fn schema(&self, version: Version) -> Result<&Schema, ModuleError> {
        let cell = match version {
            Version::V1 => &self.v1,
            Version::V2 => &self.v2,
        };
        let compiled = cell.get_or_init(|| Schema::compile(assemble(self, version)));
        compiled.as_ref().map_err(|error| ModuleError::Schema {
            name: self.name.clone(),
            source: error.clone(),
        })
    }

    /// Checks that the schemas can be used.
    pub(super) fn compile(&self) -> Result<(), ModuleError> {
        self.schema(Version::V1)
            .and(self.schema(Version::V2))
            .map(|_| ())
    }
}

fn not_a_module(name: &str, reason: &str) -> ModuleError {
    ModuleError::NotAModule {
        name: name.to_owned(),
        reason: reason.to_owned(),
    }
}

/// A member that is an array of texts (or one text); empty when it is absent.
fn lines(document: &Value, name: &str, key: &str) -> Result<Vec<String>, ModuleError> {
    let wrong = || not_a_module(name, &format!("`{key}` is not an array of texts"));
    match document.get(key) {
        None => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(vec![text.to_string_lossy().into_owned()]),
        Some(Value::Array(items)) => items
            .iter()
            .map(|item| item.as_str().map(str::to_owned).ok_or_else(wrong))
            .collect(),
        Some(_) => Err(wrong()),
    }
}
