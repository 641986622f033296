//! The module document that travels inside a component.
mod check;
mod schema;

use crate::places::Places;
use crate::rights::Right;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use thiserror::Error;

/// Name of the custom section of the outermost component that holds the module document as JSON.
pub const SECTION: &str = "osbuild:module";

/// Bytes of the largest document that is read: the largest of the built-in modules has a thirtieth of it.
const LARGEST: usize = 1 << 20;

/// What a module says of itself: the file in `schemas/`, read from the component without running anything. A word that is not one of
/// these is an error, so that a slip of the pen widens nothing.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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
    /// no other user.
    #[serde(
        default,
        rename = "privileged-programs",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub privileged_programs: Vec<String>,
    /// Where its programs read and write; none: in all that the stage is given.
    #[serde(
        default,
        deserialize_with = "given",
        rename = "programs-touch",
        skip_serializing_if = "Option::is_none"
    )]
    pub programs_touch: Option<Places>,
    /// Variables that the module sets for its programs; `*`: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environment: Vec<String>,
    /// Paths of the build root that `tree` may read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reads: Vec<String>,
    /// Verbs on paths that the module's work is limited to; none: everything in the granted directories.
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    pub rights: Option<Vec<Right>>,
    /// Whether the random numbers of the run are really random instead of seeded by the stage id.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub entropy: bool,
    /// Hosts may be reached by its programs through the host's proxy, as far as the options name them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub network: bool,
    /// Version of the contract the component was built against, e.g. `1.0.0`; written by the build.
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    pub contract: Option<String>,
    /// The module that this one is an older name of.
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    pub alias_of: Option<String>,
    /// Schema of the options, in the older style.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Value>,
    /// Schemas of the options and of other members of the stage, in the newer style.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema_2: Option<Value>,
}

/// The value of a member that is there: `null` is none, and does not mean that the member is missing.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(value: D) -> Result<Option<T>, D::Error> {
    T::deserialize(value).map(Some)
}

/// Why a module document cannot be used.
#[derive(Debug, Error)]
pub enum MetadataError {
    /// Not JSON or not of the documented shape.
    #[error("section {SECTION}: {0}")]
    Malformed(#[from] serde_json::Error),
    /// A name with characters that no module name has.
    #[error(
        "section {SECTION}: {0:?} is not a module name: use letters, digits, '.', '_' and '-', and begin with a letter or a digit"
    )]
    Name(String),
    /// More than any document needs.
    #[error(
        "section {SECTION}: {0} bytes, more than {LARGEST}: leave out what is not about the module"
    )]
    Large(usize),
    /// A value that no module can mean.
    #[error("section {SECTION}: {place}: {reason}")]
    Impossible {
        /// Where in the document, e.g. `.rights[0].paths[1]`.
        place: String,
        /// What is wrong and what to do.
        reason: String,
    },
}

/// What the names of built-in modules begin with; policies rely on them.
const RESERVED: [&str; 2] = ["org.osbuild", "io.weldr"];

impl ModuleMetadata {
    /// Whether the name is one that only built-in modules have, or looks like one to a reader who does not mind capitals.
    pub fn has_reserved_name(&self) -> bool {
        let name = self.name.to_ascii_lowercase();
        let below = |reserved: &&str| {
            let rest = name.strip_prefix(*reserved);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        RESERVED.iter().any(below)
    }

    /// Reads the content of the section. Words, names, paths and references that mean nothing are errors.
    pub fn parse(json: &[u8]) -> Result<Self, MetadataError> {
        if json.len() > LARGEST {
            return Err(MetadataError::Large(json.len()));
        }
        let metadata: Self = serde_json::from_slice(json)?;
        let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        let begins = metadata
            .name
            .starts_with(|c: char| c.is_ascii_alphanumeric());
        if !begins || !metadata.name.chars().all(fits) {
            return Err(MetadataError::Name(metadata.name));
        }
        metadata.check()?;
        Ok(metadata)
    }
}
