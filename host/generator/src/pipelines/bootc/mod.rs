//! Images made of a bootable container.
//!
//! The container is the build root of its own image: it brings the programs that install it. Another container can be
//! the build root in its place; then what says how to install comes from a tree of the first (`target`).
pub mod container;
pub mod image;
pub mod info;
mod system;
mod table;
pub mod tree;

pub use image::BootcImage;
pub use tree::BuildTree;

use crate::GeneratorError;
use crate::pipelines::Pipeline;
use crate::request::Request;
use info::ContainerInfo;

/// The container that a request is about.
///
/// # Errors
/// There is none, or facts about it are missing.
pub fn container<'a>(request: &Request<'a>) -> Result<&'a ContainerInfo, GeneratorError> {
    let missing = match request.bootc {
        Some(info) if info.missing().is_empty() => return Ok(info),
        Some(info) => info.missing(),
        None => ContainerInfo::default().missing(),
    };
    Err(GeneratorError::Request(format!(
        "failed to initialize bootc distro: missing required info: {missing}"
    )))
}

/// The pipelines before the image: the build root, and the tree of the container where the build root is another.
///
/// # Errors
/// As [`container`].
pub fn build_trees<'a>(
    request: &Request<'a>,
) -> Result<Vec<Box<dyn Pipeline + 'a>>, GeneratorError> {
    let info = container(request)?;
    let remote = container::is_remote(request.options);
    Ok(match request.bootc_build {
        None => vec![Box::new(BuildTree::build(info, remote))],
        Some(build) => vec![
            Box::new(BuildTree::target(info, remote)),
            Box::new(BuildTree::build_beside_target(build, remote)),
        ],
    })
}
