//! What commands about images have in common: for which distribution and architecture, of which type, from what.
mod repositories;
mod request;
mod resolution;
mod target;

pub(crate) use repositories::for_resolver;
pub(crate) use request::{ImageArguments, ImageRequest, OriginArguments};
pub(crate) use resolution::ResolveArguments;
pub(crate) use target::{DefinitionsArguments, TargetArguments, wrong};
