//! The module document that travels inside a component.
use crate::rights::Right;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Name of the custom section of the outermost component that holds the module document as JSON.
pub const SECTION: &str = "osbuild:module";

/// What a module says of itself: the file in `schemas/`, read from the component without running anything.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ModuleMetadata {
    /// Full module name, e.g. `org.osbuild.mkdir`.
    pub name: String,
    /// `stage` or `assembler` (components), or one of the host's kinds.
    pub kind: String,
    /// One line.
    #[serde(default)]
    pub summary: String,
    /// Paragraphs.
    #[serde(default)]
    pub description: Vec<String>,
    /// Linux capabilities that the module's programs need beyond the default set: in the user namespace that they run in, where
    /// these reach nothing of the machine; only `privileged-programs` have them on the machine itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<String>,
    /// Programs that `command` may run, by base name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub programs: Vec<String>,
    /// Those of the programs that run with the privileges of the machine, as strong as root, because the kernel gives what they do to
    /// nobody else.
    #[serde(
        default,
        rename = "privileged-programs",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub privileged_programs: Vec<String>,
    /// Variables that the module sets for its programs; `*`: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environment: Vec<String>,
    /// Paths of the build root that `tree` may read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reads: Vec<String>,
    /// Verbs on paths that the module's work is limited to; none: everything in the granted directories.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rights: Option<Vec<Right>>,
    /// Whether the random numbers of the run are really random instead of seeded by the stage id.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub entropy: bool,
    /// Hosts may be reached by its programs through the host's proxy, as far as the options name them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub network: bool,
    /// Version of the contract the component was built against, e.g. `1.0.0`; written by the build.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contract: Option<String>,
    /// Everything else of the document (option schemas), untouched.
    #[serde(flatten)]
    pub rest: serde_json::Map<String, serde_json::Value>,
}

/// Why a module document cannot be used.
#[derive(Debug, Error)]
pub enum MetadataError {
    /// Not JSON or not of the documented shape.
    #[error("section {SECTION}: {0}")]
    Malformed(#[from] serde_json::Error),
    /// A name with characters that no module name has.
    #[error("section {SECTION}: {0:?} is not a module name: use letters, digits, '.', '_' and '-'")]
    Name(String),
}

impl ModuleMetadata {
    /// Reads the content of the section.
    pub fn parse(json: &[u8]) -> Result<Self, MetadataError> {
        let metadata: Self = serde_json::from_slice(json)?;
        let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if metadata.name.is_empty()
            || metadata.name.starts_with('.')
            || !metadata.name.chars().all(fits)
        {
            return Err(MetadataError::Name(metadata.name));
        }
        Ok(metadata)
    }
}
