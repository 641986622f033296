//! What a manifest is made from, as the command line says it.
use super::judgement::judge;
use super::target::wrong;
use super::{DefinitionsArguments, TargetArguments};
use crate::blueprint_file::BlueprintFile;
use crate::command_error::{CommandError, Result};
use clap::Args;
use osbuild_wasm_blueprint::{Blueprint, Options as BlueprintOptions, Strictness};
use osbuild_wasm_distro::{Arch, Definitions, Distro, ImageType, Kind, PartitioningMode};
use osbuild_wasm_files::{LARGEST_DOCUMENT, digest_file, read_text};
use osbuild_wasm_generator::checks::{Finding, check};
use osbuild_wasm_generator::content::Repository;
use osbuild_wasm_generator::customizations::nodes::{
    FileContent, LocalFile, LocalFiles, local_path,
};
use osbuild_wasm_generator::pipelines::bootc::info::ContainerInfo;
use osbuild_wasm_generator::plan::for_type;
use osbuild_wasm_generator::request::{
    BootcOptions, Facts, Options, OstreeOptions, Request, Subscription,
};
use osbuild_wasm_manifest::location::redact;
use osbuild_wasm_report::Diagnostic;
use osbuild_wasm_resolve::{file_of, repositories_in};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Which image is asked for.
#[derive(Debug, Args)]
pub(crate) struct ImageArguments {
    #[command(flatten)]
    pub(crate) target: TargetArguments,
    /// Warn about keys of the blueprint that are not known, rather than refuse them
    #[arg(long)]
    pub(crate) lenient: bool,
    /// Size of the disk, e.g. `20 GiB`; that of the image type when it is not given
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub(crate) image_size: Option<u64>,
    /// How the disk is divided: auto-lvm, raw, lvm, btrfs
    #[arg(long, value_name = "MODE", value_parser = partitioning_mode)]
    pub(crate) partitioning_mode: Option<PartitioningMode>,
    #[command(flatten)]
    pub(crate) ostree: OstreeArguments,
    /// Registration of the system with Red Hat (JSON)
    #[arg(long, value_name = "FILE")]
    pub(crate) registrations: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) repositories: RepositoryArguments,
    /// Whether the system is a preview; as the distribution says where it is not given.
    #[arg(skip)]
    pub(crate) preview: Option<bool>,
    /// The bootable container that it is made from, if it is.
    #[arg(skip)]
    pub(crate) containers: Option<Containers>,
    /// What the image type does not take of the blueprint ends the command.
    #[arg(skip)]
    pub(crate) warnings_are_errors: bool,
}

/// Bootable containers, looked into.
#[derive(Clone, Debug)]
pub(crate) struct Containers {
    /// The one that becomes the image.
    pub(crate) image: ContainerInfo,
    /// The one that it is built in, where that is another.
    pub(crate) build: Option<ContainerInfo>,
    /// How it becomes one.
    pub(crate) options: BootcOptions,
}

/// What an image is made from beside its type.
#[derive(Debug, Args)]
pub(crate) struct OriginArguments {
    /// Blueprint (TOML or JSON): packages and customizations
    #[arg(short, long, value_name = "FILE")]
    pub(crate) blueprint: Option<PathBuf>,
    /// Number that all identifiers are drawn from; a random one when it is not given
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) seed: Option<i64>,
}

/// The commit to make, or to deploy.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct OstreeArguments {
    /// Ref of the OSTree commit; that of the image type when it is not given
    #[arg(long, value_name = "REF")]
    ostree_ref: Option<String>,
    /// Ref or checksum of the commit before
    #[arg(long, value_name = "REF")]
    ostree_parent: Option<String>,
    /// Repository of OSTree that the commit, or the one before, is in
    #[arg(long, value_name = "URL")]
    ostree_url: Option<String>,
}

/// Where packages come from.
#[derive(Debug, Default, Args)]
pub(crate) struct RepositoryArguments {
    /// Directory with repositories of distributions (DISTRO.json), which take the place of the program's own
    #[arg(long, value_name = "DIR")]
    pub(crate) repositories: Option<PathBuf>,
    /// Repository beside the others, without a check of signatures; may be given several times
    #[arg(long, value_name = "URL")]
    pub(crate) extra_repo: Vec<String>,
    /// Repository in place of the others, without a check of signatures; may be given several times
    #[arg(long, value_name = "URL")]
    pub(crate) force_repo: Vec<String>,
    /// Directories of which the first that has the distribution is taken, if one has.
    #[arg(skip)]
    pub(crate) places: Vec<PathBuf>,
}

/// Bytes of a size with its unit.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    osbuild_wasm_blueprint::model::Size::parse(text).map(|size| size.bytes())
}

fn partitioning_mode(name: &str) -> Result<PartitioningMode, String> {
    let modes = [
        PartitioningMode::AutoLvm,
        PartitioningMode::Raw,
        PartitioningMode::Lvm,
        PartitioningMode::Btrfs,
    ];
    modes
        .into_iter()
        .find(|mode| mode.name() == name)
        .ok_or_else(|| "there are auto-lvm, raw, lvm and btrfs".into())
}

/// All that a manifest is made from, but content of the network.
#[derive(Debug)]
pub(crate) struct ImageRequest {
    pub(crate) distro: Distro,
    pub(crate) arch: Arch,
    pub(crate) image_type: ImageType,
    pub(crate) blueprint: Blueprint,
    pub(crate) options: Options,
    pub(crate) repositories: Vec<Repository>,
    pub(crate) local_files: LocalFiles,
    pub(crate) containers: Option<Containers>,
    pub(crate) seed: i64,
}

impl ImageRequest {
    /// The request as the generator takes it.
    pub(crate) fn as_request(&self) -> Request<'_> {
        Request {
            distro: &self.distro,
            arch: self.arch,
            image_type: &self.image_type,
            blueprint: &self.blueprint,
            options: &self.options,
            repositories: &self.repositories,
            local_files: &self.local_files,
            bootc: self.containers.as_ref().map(|containers| &containers.image),
            bootc_build: self
                .containers
                .as_ref()
                .and_then(|containers| containers.build.as_ref()),
            seed: self.seed,
        }
    }
}

impl ImageArguments {
    /// Reads and checks everything that is named; what has no effect is warned about.
    pub(crate) fn request(
        &self,
        image_type: &str,
        origin: &OriginArguments,
    ) -> Result<ImageRequest> {
        let definitions = self.target.definitions.load()?;
        let read = |path| read_blueprint(path, self.lenient);
        let (file, blueprint) = match origin.blueprint.as_deref().map(read).transpose()? {
            Some((file, blueprint)) => (Some(file), blueprint),
            None => (None, Blueprint::default()),
        };
        let (distro, arch, mut findings) = self.system(&blueprint, &definitions)?;
        let image_type = definitions
            .image_type(&distro, arch, image_type)
            .map_err(|error| CommandError::invalid(wrong(error)))?;
        // What is made of a container takes no packages, but where its installer is made of some.
        let has_packages =
            self.containers.is_none() || image_type.kind == Kind::BootcPackageInstaller;
        let repositories = match has_packages {
            true => self.repositories.load(&definitions, &distro, arch)?,
            false => Vec::new(),
        };
        let (local_files, missing) = local_files(&blueprint);
        let request = ImageRequest {
            repositories: for_type(&repositories, &image_type.name),
            local_files,
            options: self.options()?,
            containers: self.containers.clone(),
            seed: origin.seed.unwrap_or_else(random_seed),
            distro,
            arch,
            image_type,
            blueprint,
        };
        findings.extend(missing);
        findings.extend(check(&request.as_request()));
        let name = &request.image_type.name;
        judge(findings, name, file.as_ref(), self.warnings_are_errors)?;
        Ok(request)
    }

    /// The distribution and the architecture: those of the container, if there is one.
    fn system(
        &self,
        blueprint: &Blueprint,
        definitions: &Definitions,
    ) -> Result<(Distro, Arch, Vec<Finding>)> {
        let Some(Containers { image, .. }) = &self.containers else {
            let (target, findings) = self.target.of(blueprint, definitions)?;
            return Ok((target.distro(definitions)?, target.arch()?, findings));
        };
        let distro = definitions.distro(&image.distro_name());
        let distro = distro.map_err(|error| CommandError::invalid(wrong(error)))?;
        let arch = Arch::from_name(&image.arch).ok_or_else(|| {
            let problem = format!(
                "the image {} is for {}, of which no images are made",
                image.imgref, image.arch
            );
            CommandError::invalid(Diagnostic::new(problem))
        })?;
        Ok((distro, arch, Vec::new()))
    }

    /// For images of containers, and nothing else that could be asked for.
    pub(crate) fn of_containers(containers: Containers) -> Self {
        Self {
            target: TargetArguments {
                distro: None,
                arch: None,
                definitions: DefinitionsArguments::default(),
                tells_host: false,
            },
            lenient: false,
            image_size: None,
            partitioning_mode: None,
            ostree: OstreeArguments::default(),
            registrations: None,
            repositories: RepositoryArguments::default(),
            preview: None,
            containers: Some(containers),
            warnings_are_errors: false,
        }
    }

    fn options(&self) -> Result<Options> {
        let ostree = &self.ostree;
        let is_ostree = ostree.ostree_ref.is_some()
            || ostree.ostree_parent.is_some()
            || ostree.ostree_url.is_some();
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        Ok(Options {
            preview: self.preview,
            size: self.image_size.unwrap_or_default(),
            partitioning_mode: self.partitioning_mode,
            ostree: is_ostree.then(|| OstreeOptions {
                reference: text(&ostree.ostree_ref),
                parent: text(&ostree.ostree_parent),
                url: text(&ostree.ostree_url),
                ..OstreeOptions::default()
            }),
            subscription: self
                .registrations
                .as_deref()
                .map(subscription)
                .transpose()?,
            bootc: self
                .containers
                .as_ref()
                .map(|containers| containers.options.clone()),
            facts: Some(Facts {
                api_type: "image-builder-cli".into(),
            }),
            ..Options::default()
        })
    }
}

/// A blueprint, and its file; its errors end the command, its warnings are shown.
pub(crate) fn read_blueprint(path: &Path, lenient: bool) -> Result<(BlueprintFile, Blueprint)> {
    let file = BlueprintFile::read(path)?;
    let blueprint = accepted(&file, blueprint_options(lenient))?;
    Ok((file, blueprint))
}

/// What the blueprint says; its errors end the command, its warnings are shown.
fn accepted(file: &BlueprintFile, options: BlueprintOptions) -> Result<Blueprint> {
    let (blueprint, problems) = file.parse(options);
    let lines = file.explain(&problems);
    match blueprint {
        Some(blueprint) => {
            if !lines.is_empty() {
                crate::print::tell(&lines, crate::style::colour());
            }
            Ok(blueprint)
        }
        None => {
            let first = problems
                .first()
                .map_or_else(String::new, |problem| problem.message.clone());
            Err(CommandError::pointed(
                Diagnostic::new(first).at(file.name.clone()),
                lines,
            ))
        }
    }
}

/// How a blueprint is read.
fn blueprint_options(lenient: bool) -> BlueprintOptions {
    let strictness = if lenient {
        Strictness::Lenient
    } else {
        Strictness::Strict
    };
    BlueprintOptions {
        strictness,
        ..BlueprintOptions::default()
    }
}

/// The file of `--registrations`: `{"redhat": {"subscription": {...}}}`.
fn subscription(path: &Path) -> Result<Subscription> {
    let name = path.display();
    let wrong = |cause: String| {
        let diagnostic = Diagnostic::new(format!("cannot use the registrations {name}"));
        CommandError::invalid(diagnostic.cause(cause))
    };
    let text = read_text(path, LARGEST_DOCUMENT).map_err(|error| wrong(error.to_string()))?;
    let mut document: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    let found = document
        .pointer_mut("/redhat/subscription")
        .map(serde_json::Value::take);
    let found = found.ok_or_else(|| wrong("it has no member redhat.subscription".into()))?;
    serde_json::from_value(found).map_err(|error| wrong(error.to_string()))
}

fn random_seed() -> i64 {
    uuid::Uuid::new_v4().as_u64_pair().0.cast_signed()
}

/// Files of this machine that the blueprint names, and what is wrong with others of them.
pub(crate) fn local_files(blueprint: &Blueprint) -> (LocalFiles, Vec<Finding>) {
    let (mut files, mut findings) = (LocalFiles::new(), Vec::new());
    for (index, file) in blueprint.customizations.files.iter().enumerate() {
        let Some(uri) = file.uri.as_deref().filter(|uri| !uri.is_empty()) else {
            continue;
        };
        let path = local_path(uri);
        match local_file(path) {
            Ok(file) => _ = files.insert(path.to_owned(), file),
            Err(cause) => findings.push(Finding::error(
                vec![
                    "customizations".into(),
                    "files".into(),
                    index.into(),
                    "uri".into(),
                ],
                format!("cannot include blueprint file: {path}: {cause}"),
                "expected a file of this machine",
                "name a regular file by its absolute path, or give its content as `data`",
            )),
        }
    }
    (files, findings)
}

/// Checksum and permissions of a file.
fn local_file(path: &str) -> Result<LocalFile, String> {
    let metadata = std::fs::metadata(path).map_err(|error| error.to_string())?;
    if !metadata.is_file() {
        return Err("it is not a regular file".into());
    }
    let digest = digest_file(Path::new(path)).map_err(|error| error.to_string())?;
    Ok(LocalFile {
        content: FileContent::Local(format!("sha256:{digest}")),
        mode: metadata.permissions().mode() & 0o7777,
    })
}

impl RepositoryArguments {
    /// The repositories of a distribution, for all its image types.
    pub(crate) fn load(
        &self,
        definitions: &Definitions,
        distro: &Distro,
        arch: Arch,
    ) -> Result<Vec<Repository>> {
        let directory = self.place_of(distro).or(self.repositories.as_deref());
        let mut repositories = match (&self.force_repo[..], directory) {
            ([], directory) => repositories_in(directory, definitions, distro, arch)?,
            (forced, _) => unsigned("force-repo", forced)?,
        };
        repositories.extend(unsigned("extra-repo", &self.extra_repo)?);
        Ok(repositories)
    }

    /// The directory of the machine that has a distribution.
    fn place_of(&self, distro: &Distro) -> Option<&Path> {
        let mut places = self.places.iter().map(PathBuf::as_path);
        places.find(|place| file_of(place, distro).exists())
    }
}

/// Repositories of the command line: their packages need no signature.
fn unsigned(prefix: &str, urls: &[String]) -> Result<Vec<Repository>> {
    let repository = |(index, url): (usize, &String)| {
        if !url.contains("://") {
            let diagnostic = Diagnostic::new(format!("--{prefix} {:?} is no URL", redact(url)));
            return Err(CommandError::invalid(
                diagnostic.hint("for a directory write file:///PATH"),
            ));
        }
        let id = format!("{prefix}-{index}");
        Ok(Repository {
            name: id.clone(),
            id,
            baseurls: vec![url.clone()],
            check_gpg: Some(false),
            ..Repository::default()
        })
    };
    urls.iter().enumerate().map(repository).collect()
}
