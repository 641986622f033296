//! Which pipelines make a kind of image.
use crate::GeneratorError;
use crate::disk::TableRequest;
use crate::pipelines::archive::TreeArchive;
use crate::pipelines::bootc::{self, BootcImage};
use crate::pipelines::container::Container;
use crate::pipelines::formats::{self, Artifact, Step};
use crate::pipelines::image::{self, Image};
use crate::pipelines::media::{self, BootcMedia, Installer, PxeTree};
use crate::pipelines::os::Os;
use crate::pipelines::ostree::references::{self, NewCommit};
use crate::pipelines::ostree::{ContainerTree, Deployment, OstreeCommit, OstreeEncapsulate};
use crate::pipelines::{BuildRoot, Pipeline};
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
        Kind::Container => Ok(vec![system(request), container_of_system(request)]),
        Kind::Tar => Ok(archive(request)),
        Kind::OstreeCommit | Kind::OstreeContainer | Kind::BootableContainer => commit(request),
        Kind::OstreeDisk => deployment(request, &mut random),
        Kind::OstreeSimplifiedInstaller => simplified_installer(request, &mut random),
        Kind::ImageInstaller
        | Kind::OstreeInstaller
        | Kind::NetworkInstaller
        | Kind::LiveInstaller => installer(request, &mut random),
        Kind::PxeTar => network_boot(request),
        Kind::BootcDisk => bootc_disk(request, &mut random),
        Kind::BootcPackageInstaller | Kind::BootcInstaller | Kind::BootcLive => {
            bootc_medium(request, &mut random)
        }
    }
}

/// A system on a disk.
fn disk<'a>(request: Request<'a>, random: &mut Random) -> Result<Pipelines<'a>, GeneratorError> {
    let table = Rc::new(table(request, random)?);
    let os = Os {
        request,
        table: Some(table.clone()),
        parent: None,
    };
    let mut pipelines: Pipelines<'a> = vec![Box::new(os)];
    pipelines.extend(image(request, "os", table, random)?);
    Ok(pipelines)
}

/// A disk with the tree of this pipeline, and what is made of the disk.
fn image<'a>(
    request: Request<'a>,
    tree: &'static str,
    table: Rc<PartitionTable>,
    random: &mut Random,
) -> Result<Pipelines<'a>, GeneratorError> {
    let image_type = request.image_type;
    let image = Image {
        tree,
        file: image::file_of(image_type),
        table,
        tool: image_type.disk_config.partition_tool,
        platform: &image_type.platform,
        kernel: request.kernel_name(),
    };
    let disk = Artifact::new(image.name(), image.file);
    let mut pipelines: Pipelines<'a> = vec![Box::new(image)];
    for step in formats::steps(image_type, &disk, random)? {
        pipelines.push(Box::new(step));
    }
    Ok(pipelines)
}

/// A system without partitions.
fn system<'a>(request: Request<'a>) -> Box<dyn Pipeline + 'a> {
    Box::new(Os {
        request,
        table: None,
        parent: None,
    })
}

/// A system as an archive.
fn archive<'a>(request: Request<'a>) -> Pipelines<'a> {
    let image_type = request.image_type;
    let archive = TreeArchive::of_system(image_type);
    let packed = Artifact::new(archive.name(), archive.filename());
    let mut pipelines: Pipelines<'a> = vec![system(request), Box::new(archive)];
    if let Some(compression) = image_type.compression {
        pipelines.push(Box::new(Step::compressed(
            compression,
            &packed,
            &image_type.filename,
        )));
    }
    pipelines
}

/// A system as a container.
fn container_of_system<'a>(request: Request<'a>) -> Box<dyn Pipeline + 'a> {
    Box::new(Container {
        tree: "os",
        filename: &request.image_type.filename,
        arch: request.arch,
        config: request.image_type.image_config.container.clone(),
    })
}

/// A system as a commit, and what carries it.
fn commit<'a>(request: Request<'a>) -> Result<Pipelines<'a>, GeneratorError> {
    let NewCommit { reference, parent } = references::new_commit(&request)?;
    let mut pipelines: Pipelines<'a> = vec![
        Box::new(Os {
            request,
            table: None,
            parent: parent.clone(),
        }),
        Box::new(OstreeCommit {
            reference: reference.clone(),
            os_version: &request.distro.os_version,
            parent,
        }),
    ];
    let filename = request.image_type.filename.as_str();
    match request.image_type.kind {
        Kind::OstreeContainer => {
            pipelines.push(Box::new(ContainerTree { request, reference }));
            pipelines.push(Box::new(Container {
                tree: ContainerTree::NAME,
                filename,
                arch: request.arch,
                config: Some(ContainerTree::process().config()),
            }));
        }
        Kind::BootableContainer => pipelines.push(Box::new(OstreeEncapsulate {
            reference,
            filename,
        })),
        _ => pipelines.push(Box::new(TreeArchive::of_commit(request.image_type))),
    }
    Ok(pipelines)
}

/// A system deployed from a commit on a disk.
fn deployment<'a>(
    request: Request<'a>,
    random: &mut Random,
) -> Result<Pipelines<'a>, GeneratorError> {
    let commit = references::brought_commit(&request)?;
    let table = Rc::new(table(request, random)?);
    let mut pipelines: Pipelines<'a> = vec![Box::new(Deployment {
        request,
        commit,
        table: table.clone(),
    })];
    pipelines.extend(image(request, Deployment::NAME, table, random)?);
    Ok(pipelines)
}

/// A medium that writes a disk with a system deployed from a commit.
fn simplified_installer<'a>(
    request: Request<'a>,
    random: &mut Random,
) -> Result<Pipelines<'a>, GeneratorError> {
    let mut pipelines = deployment(request, random)?;
    let disk = Artifact::new("xz", formats::WRITTEN_DISK);
    pipelines.extend(media::simplified_pipelines(request, &disk, random)?);
    Ok(pipelines)
}

/// A medium with a system of its own, and what it installs.
fn installer<'a>(
    request: Request<'a>,
    random: &mut Random,
) -> Result<Pipelines<'a>, GeneratorError> {
    let kind = request.image_type.kind;
    let commit = match kind {
        Kind::OstreeInstaller => Some(references::brought_commit(&request)?),
        _ => None,
    };
    let installer = Installer::of(request, commit)?;
    let mut pipelines = installer.system_pipelines();
    if kind == Kind::ImageInstaller {
        pipelines.push(system(request));
    }
    pipelines.extend(installer.medium_pipelines(random));
    Ok(pipelines)
}

/// A system that boots over the network, as an archive.
fn network_boot<'a>(request: Request<'a>) -> Result<Pipelines<'a>, GeneratorError> {
    let image_type = request.image_type;
    let tar = TreeArchive::of_network_boot(image_type);
    let archive = Artifact::new(tar.name(), tar.filename());
    let mut pipelines: Pipelines<'a> = vec![
        system(request),
        Box::new(PxeTree::of(&request)),
        Box::new(tar),
    ];
    if let Some(compression) = image_type.compression {
        let step = Step::compressed(compression, &archive, &image_type.filename);
        pipelines.push(Box::new(step));
    }
    Ok(pipelines)
}

/// A medium with a bootable container.
fn bootc_medium<'a>(
    request: Request<'a>,
    random: &mut Random,
) -> Result<Pipelines<'a>, GeneratorError> {
    let info = bootc::container(&request)?;
    let mut pipelines = match request.image_type.kind {
        // Its installer, and so its build root, are made of packages.
        Kind::BootcPackageInstaller => Vec::new(),
        _ => bootc::build_trees(&request)?,
    };
    pipelines.extend(BootcMedia::of(request, info)?.pipelines(random)?);
    Ok(pipelines)
}

/// A bootable container on a disk, in all formats: which of them comes out is what the type exports.
fn bootc_disk<'a>(
    request: Request<'a>,
    random: &mut Random,
) -> Result<Pipelines<'a>, GeneratorError> {
    let info = bootc::container(&request)?;
    let filename = request.image_type.filename.as_str();
    let stem = filename.split_once('.').map_or(filename, |(stem, _)| stem);
    let file = |ending: &str| format!("{stem}.{ending}");
    let image = BootcImage::new(request, info, file("raw"), random)?;
    let disk = Artifact::new(image.name(), file("raw"));
    let config = &request.image_type.disk_config;
    let platform = &request.image_type.platform;
    let qcow2 = Step::qcow2(&disk, &file("qcow2"), &platform.qcow2_compat);
    let vmdk = Step::vmdk(&disk, &file("vmdk"));
    let vpc = Step::vpc(&disk, &file("vhd"), config.vpc_force_size);
    let ovf = Step::ovf(&vmdk.result, config);
    let ova = Step::ova(&ovf.result, &file("ova"));
    let mut pipelines = bootc::build_trees(&request)?;
    pipelines.push(Box::new(image));
    for mut step in [qcow2, vmdk, vpc, ovf, ova] {
        // A container need not bring the programs for these: those of the machine do it.
        step.build_root = BuildRoot::Machine;
        pipelines.push(Box::new(step));
    }
    pipelines.push(Box::new(Step::gce("gce", &disk, "image.tar.gz")));
    Ok(pipelines)
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
