//! What commands about images have in common: for which distribution and architecture, of which type, from what, built how.
mod bootable;
mod build;
mod judgement;
mod lookups;
mod output;
mod repositories;
mod request;
mod resolution;
mod target;

pub(crate) use bootable::{Container, bootc_options};
pub(crate) use build::{Beside, Built, ImageBuild};
pub(crate) use lookups::{Lookups, lookups_of_job};
pub(crate) use output::OutputFiles;
pub(crate) use repositories::for_resolver;
pub(crate) use request::{
    Containers, ImageArguments, ImageRequest, OriginArguments, OstreeArguments,
    RepositoryArguments, local_files, read_blueprint, size,
};
pub(crate) use resolution::{Purpose, ResolveArguments, Resolved, Shows};
pub(crate) use target::{DefinitionsArguments, TargetArguments, arch, host_distro, wrong};
