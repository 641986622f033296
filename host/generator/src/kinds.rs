//! Which pipelines make a kind of image.
use crate::GeneratorError;
use crate::disk::TableRequest;
use crate::pipelines::Pipeline;
use crate::pipelines::os::Os;
use crate::random::Random;
use crate::request::Request;
use osbuild_wasm_blueprint::model;
use osbuild_wasm_distro::{Kind, PartitionTable, PartitioningMode};
use std::rc::Rc;

/// Pipelines in the order of the manifest.
type Pipelines<'a> = Vec<Box<dyn Pipeline + 'a>>;

/// The pipelines of what is asked for, without the build root where that is made of packages.
///
/// # Errors
/// The image type cannot give it.
pub fn pipelines<'a>(request: Request<'a>) -> Result<Pipelines<'a>, GeneratorError> {
    let mut random = Random::new(request.seed);
    match request.image_type.kind {
        Kind::Disk => disk(request, &mut random),
        _ => Ok(vec![Box::new(Os {
            request,
            table: None,
            parent: None,
        })]),
    }
}

/// A system on a disk.
fn disk<'a>(request: Request<'a>, random: &mut Random) -> Result<Pipelines<'a>, GeneratorError> {
    let table = Rc::new(table(request, random)?);
    Ok(vec![Box::new(Os {
        request,
        table: Some(table),
        parent: None,
    })])
}

/// The partitions of the disk that is asked for.
fn table(request: Request<'_>, random: &mut Random) -> Result<PartitionTable, GeneratorError> {
    let customizations = &request.blueprint.customizations;
    let wished = customizations.partitioning_mode.map(|mode| match mode {
        model::PartitioningMode::Raw => PartitioningMode::Raw,
        model::PartitioningMode::Lvm => PartitioningMode::Lvm,
        model::PartitioningMode::AutoLvm => PartitioningMode::AutoLvm,
    });
    let mode = request
        .options
        .partitioning_mode
        .or(wished)
        .unwrap_or_default();
    TableRequest::new(
        request.distro,
        request.image_type,
        request.arch,
        request.options.size,
        mode,
    )?
    .table(customizations, random)
}
