//! What is asked for before there is a manifest.
use super::{ask, decided};
use crate::failure::Result;
use osbuild_wasm_capability::Policy;
use osbuild_wasm_capability::plan::Planned;
use osbuild_wasm_manifest::location::Location;
use osbuild_wasm_manifest::model::Source;

/// A question to a server, as the source that will fetch what is found: a repository, an image, a commit.
#[derive(Debug)]
pub struct Lookup {
    /// How messages name it.
    pub place: String,
    /// That source, with what is known of it.
    pub source: Source,
    /// What else is read meanwhile: keys, indexes.
    pub documents: Vec<Location>,
}

impl Lookup {
    /// What a policy says of it: the rule for the source decides.
    ///
    /// # Errors
    /// A URL cannot be read, or a variable of the environment does not hold the URL of a proxy.
    pub fn judge(&self, policy: Option<&Policy>) -> Result<Planned> {
        Ok(decided(ask::of_lookup(self)?, policy))
    }
}
