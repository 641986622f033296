//! How a bootable container comes to the stages that use it.
use crate::GeneratorError;
use crate::content::{Container, ContainerRequest, ResolvedContent};
use crate::request::Options;

/// Whether containers come from their registries, not from the storage of this machine.
pub fn is_remote(options: &Options) -> bool {
    options
        .bootc
        .as_ref()
        .is_some_and(|bootc| bootc.use_remote_container_source)
}

/// What a container is fetched by.
pub fn request(reference: &str, remote: bool) -> ContainerRequest {
    ContainerRequest {
        source: reference.into(),
        name: reference.into(),
        tls_verify: None,
        local: !remote,
    }
}

/// The only container of a pipeline.
///
/// # Errors
/// It was not resolved.
pub fn resolved<'a>(
    pipeline: &str,
    content: &'a ResolvedContent,
) -> Result<&'a Container, GeneratorError> {
    content
        .containers
        .first()
        .ok_or_else(|| GeneratorError::Unresolved {
            pipeline: pipeline.into(),
            missing: "the container".into(),
        })
}
