//! What components can do, read from their bytes.
mod graph;

pub use graph::{Graph, Inner, InnerImport, Supply};

use crate::interface::VERSION;
use crate::metadata::ModuleMetadata;
use crate::profile::Profile;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// An audit of components, as `osbuild-wasm audit --format json` prints it; schemas/audit.json.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audit {
    /// Always [`Audit::TYPE`].
    #[serde(rename = "type")]
    pub kind: String,
    /// Version of this format: 1.
    pub version: u64,
    /// Version of the contract that this program offers.
    pub contract: String,
    /// The components.
    pub components: Vec<Audited>,
}

/// One component.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audited {
    /// What it is and asks for.
    #[serde(flatten)]
    pub profile: Profile,
    /// What its document says it does, one line.
    #[serde(default)]
    pub summary: String,
    /// Bytes of the component.
    #[serde(default)]
    pub size: u64,
    /// What keeps it from being run by this program, each one line.
    #[serde(default)]
    pub problems: Vec<String>,
    /// The components inside of it.
    #[serde(default)]
    pub inner: Vec<Inner>,
}

/// Bytes that are no component.
#[derive(Debug, Error)]
#[error("{name} is not a WebAssembly component: {cause}")]
pub struct NoComponent {
    /// How the user calls it.
    pub name: String,
    /// Why, one line.
    pub cause: String,
}

impl Audit {
    /// What `type` says.
    pub const TYPE: &'static str = "osbuild-wasm audit";

    /// The document for these components.
    pub fn of(components: Vec<Audited>) -> Self {
        Self {
            kind: Self::TYPE.into(),
            version: 1,
            contract: VERSION.to_string(),
            components,
        }
    }
}

/// Looks at one component; `origin` is its file, or [`crate::BUILT_IN`] with the name of the module as `name`.
pub fn audit(name: &str, origin: &str, bytes: &[u8]) -> Result<Audited, NoComponent> {
    let graph = Graph::read(bytes).map_err(|cause| NoComponent {
        name: name.to_owned(),
        cause,
    })?;
    let metadata = graph.document.map(ModuleMetadata::parse);
    let (metadata, problem) = match metadata {
        None => (None, Some("it carries no module document".to_owned())),
        Some(Ok(metadata)) => (Some(metadata), None),
        Some(Err(error)) => (None, Some(error.to_string())),
    };
    let imports = graph.imports.iter().map(String::as_str);
    let unlinkable = crate::Request::from_imports("it", imports).err();
    let profile = Profile::of(bytes, &graph, metadata.as_ref(), origin);
    let missing = profile
        .wasi
        .keys()
        .filter(|name| crate::standing(name) == crate::Standing::Missing)
        .map(|name| format!("it imports {name}, which this program does not have"));
    let problems = problem
        .into_iter()
        .chain(unlinkable.map(|problem| problem.to_string()))
        .chain(missing)
        .collect();
    Ok(Audited {
        summary: metadata
            .map(|metadata| metadata.summary)
            .unwrap_or_default(),
        size: bytes.len() as u64,
        problems,
        inner: graph.inner,
        profile,
    })
}
