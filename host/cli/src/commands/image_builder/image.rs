//! `manifest` and `build`.
use super::upload::UploadArguments;
use super::{Common, Target};
use crate::command_error::{CommandError, Exit, Result};
use crate::commands::run::DevicesOption;
use crate::image::{
    Beside, Built, Container, Containers, ImageArguments, ImageBuild, ImageRequest,
    OriginArguments, OstreeArguments, OutputFiles, Purpose, ResolveArguments, Resolved, Shows,
    bootc_options, size,
};
use crate::monitor::Monitor;
use crate::print::say_json;
use clap::{ArgAction, Args, ValueEnum};
use osbuild_wasm_distro::Arch;
use osbuild_wasm_files::own_directory;
use osbuild_wasm_generator::request::BootcOptions;
use osbuild_wasm_report::Diagnostic;
use serde_json::{Value, json};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

/// Which image is asked for.
#[derive(Debug, Args)]
struct Image {
    /// Image type: a name that `list` shows
    #[arg(value_name = "TYPE")]
    image_type: String,
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    origin: OriginArguments,
    /// Size of the disk, e.g. `20 GiB`; that of the image type when it is not given
    #[arg(long, value_name = "SIZE", value_parser = size)]
    image_size: Option<u64>,
    #[command(flatten)]
    ostree: OstreeArguments,
    #[command(flatten)]
    bootc: BootcArguments,
    /// Registration of the system with Red Hat (JSON)
    #[arg(long, value_name = "FILE")]
    registrations: Option<PathBuf>,
    /// Directory for the metadata of repositories; one of the user's cache when it is not given
    #[arg(long, value_name = "DIR")]
    rpmmd_cache: Option<PathBuf>,
    /// Go on where the image type does not take all of the blueprint
    #[arg(long)]
    ignore_warnings: bool,
    /// List packages as text; not there yet
    #[arg(long, hide = true)]
    with_rpmlist: bool,
    /// Whether packages are downloaded by librepo's source; there is no other
    #[arg(long, hide = true, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value_t = true, action = ArgAction::Set)]
    use_librepo: bool,
    /// Whether the system is a preview of its distribution
    #[arg(long, hide = true, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    preview: Option<bool>,
}

/// From which bootable container.
#[derive(Debug, Args)]
struct BootcArguments {
    /// Bootable container that becomes the image: one of this machine's storage, or docker://HOST/NAME of a registry
    #[arg(long, value_name = "REF", conflicts_with = "distro")]
    bootc_ref: Option<String>,
    /// Container to build in; the bootable one when it is not given
    #[arg(long, value_name = "REF", requires = "bootc_ref")]
    bootc_build_ref: Option<String>,
    /// Container that an installer puts onto the disk
    #[arg(long, value_name = "REF", requires = "bootc_ref")]
    bootc_installer_payload_ref: Option<String>,
    /// File system of the root, in place of the one that the container wants
    #[arg(long, value_name = "FS", requires = "bootc_ref")]
    bootc_default_fs: Option<String>,
    /// No kernel options of the image type
    #[arg(long, requires = "bootc_ref")]
    bootc_no_default_kernel_args: bool,
    /// Pull the container into this machine's storage first; not there yet
    #[arg(long)]
    bootc_pull_container: bool,
}

impl BootcArguments {
    /// The containers, looked into; none where no container is named.
    fn containers(&self, arch: Option<Arch>, cache: Option<&Path>) -> Result<Option<Containers>> {
        let Some(reference) = self.bootc_ref.as_deref() else {
            return Ok(None);
        };
        let look = |reference| {
            let container = Container {
                reference,
                arch,
                default_fs: self.bootc_default_fs.as_deref(),
                cache,
            };
            container.facts()
        };
        let build = self.bootc_build_ref.as_deref();
        let payload = self.bootc_installer_payload_ref.as_deref();
        let options = BootcOptions {
            omit_default_kernel_args: self.bootc_no_default_kernel_args,
            ..bootc_options(reference, build, payload)?
        };
        Ok(Some(Containers {
            image: look(reference)?,
            build: build.map(look).transpose()?,
            options,
        }))
    }
}

impl Image {
    /// Reads and checks what is asked for.
    fn request(&self, common: &Common) -> Result<ImageRequest> {
        self.refuse()?;
        self.target.warn();
        let cache = self.rpmmd_cache.as_deref();
        let containers = self.bootc.containers(self.target.arch, cache)?;
        let target = match containers {
            Some(_) => self.target.of_container(common),
            None => self.target.resolve(common),
        };
        let arguments = ImageArguments {
            target,
            containers,
            lenient: false,
            image_size: self.image_size,
            partitioning_mode: None,
            ostree: self.ostree.clone(),
            registrations: self.registrations.clone(),
            repositories: common.repositories(),
            preview: self.preview,
            warnings_are_errors: !self.ignore_warnings,
        };
        arguments.request(&self.image_type, &self.origin)
    }

    /// Says what cannot be done.
    fn refuse(&self) -> Result<()> {
        let error = |problem: String| Err(CommandError::failed(Diagnostic::new(problem)));
        if self.bootc.bootc_pull_container {
            return error(
                "--bootc-pull-container: containers are taken from this machine's storage; run `podman pull` first".into(),
            );
        }
        if self.with_rpmlist {
            return error("--with-rpmlist: lists of packages are not written yet".into());
        }
        if !self.use_librepo {
            return error("--use-librepo=false: packages are downloaded by org.osbuild.librepo, there is no other way".into());
        }
        Ok(())
    }

    fn resolve(
        &self,
        request: &ImageRequest,
        purpose: Purpose,
        with_sbom: bool,
    ) -> Result<Resolved> {
        let resolver = ResolveArguments {
            rpmmd_cache: self.rpmmd_cache.clone(),
            solver: None,
            policy: None,
        };
        resolver.manifest(request, purpose, with_sbom, Shows::Problems)
    }
}

/// Makes the directory of results: the one that is named, or one with the name of the image.
fn make_output(files: &mut OutputFiles, common: &Common) -> Result<()> {
    let own = PathBuf::from(files.base());
    files.make(common.output_dir.as_deref().unwrap_or(&own))
}

/// Make the manifest of an image
#[derive(Debug, Args)]
pub(super) struct Manifest {
    #[command(flatten)]
    image: Image,
    /// Write which packages the image and the build root are made of (SPDX) into the directory of results
    #[arg(long)]
    with_sbom: bool,
}

impl Manifest {
    pub(super) fn run(self, common: &Common) -> Result {
        let request = self.image.request(common)?;
        let resolved = self
            .image
            .resolve(&request, Purpose::Document, self.with_sbom)?;
        if self.with_sbom {
            let mut files = OutputFiles::new(&request, None)?;
            make_output(&mut files, common)?;
            files.write_sboms(&resolved.sboms)?;
        }
        say_json(&resolved.manifest.to_string());
        Ok(Exit::Done)
    }
}

/// Build an image
#[derive(Debug, Args)]
pub(super) struct Build {
    #[command(flatten)]
    image: Image,
    #[command(flatten)]
    beside: Beside,
    /// Show how long each stage took
    #[arg(long)]
    with_metrics: bool,
    /// Directory for objects, sources and work in progress; made when missing. One of the system for root, one of the user's cache
    /// for others when it is not given
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// How to show what happens; `verbose` with --verbose, else `auto` when it is not given
    #[arg(long, value_enum)]
    progress: Option<Progress>,
    /// Name of the files, without their extensions; DISTRO-TYPE-ARCH when it is not given
    #[arg(long, value_name = "NAME")]
    output_name: Option<String>,
    /// Build every pipeline that has a build root in a virtual machine
    #[arg(long)]
    in_vm: bool,
    /// How to tell of the image; a line when it is not given
    #[arg(long, value_enum)]
    format: Option<ResultFormat>,
    #[command(flatten)]
    upload: UploadArguments,
}

/// How a built image is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ResultFormat {
    /// An object with its path
    Json,
}

/// How a build is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Progress {
    /// As the terminal allows
    Auto,
    /// One steady display on a terminal
    Term,
    /// The log of the build
    Verbose,
    /// Events as programs read them (a JSON text sequence)
    Debug,
    /// A line for each stage
    File,
}

impl Progress {
    /// The monitor; all of them write to standard error.
    pub(super) fn monitor(self) -> Result<Monitor> {
        Ok(match self {
            Self::Term if !std::io::stderr().is_terminal() => {
                let diagnostic = Diagnostic::new("--progress term: standard error is no terminal");
                return Err(CommandError::invalid(diagnostic.hint("--progress auto")));
            }
            Self::Auto | Self::Term => Monitor::Progress,
            Self::Verbose => Monitor::Log,
            Self::Debug => Monitor::JsonSeq,
            Self::File => Monitor::Plain,
        })
    }
}

impl Build {
    pub(super) fn run(self, common: &Common) -> Result {
        self.upload.refuse()?;
        let progress = self.progress.unwrap_or(match common.verbose {
            true => Progress::Verbose,
            false => Progress::Auto,
        });
        let monitor = progress.monitor()?;
        let request = self.image.request(common)?;
        let mut files = OutputFiles::new(&request, self.output_name.as_deref())?;
        let store = store(self.cache.as_deref())?;
        make_output(&mut files, common)?;
        let resolved = self
            .image
            .resolve(&request, Purpose::Build, self.beside.with_sbom)?;
        let build = ImageBuild {
            store,
            record: None,
            policy: None,
            jobs: None,
            in_vm: match self.in_vm {
                true => with_build_root(&resolved.manifest),
                false => Vec::new(),
            },
            devices: DevicesOption::Auto,
            monitor: Some(monitor),
            monitor_fd: Some(2),
            quiet: !self.with_metrics,
        };
        match build.run(&request, &resolved, &files, &self.beside)? {
            Built::Nothing(exit) => Ok(exit),
            Built::Image(image) => {
                tell(&image, self.format);
                Ok(Exit::Done)
            }
        }
    }
}

fn tell(image: &Path, format: Option<ResultFormat>) {
    let path = image.display().to_string();
    match format {
        Some(ResultFormat::Json) => say_json(&json!({"success": true, "path": path}).to_string()),
        None => outln!("Image build successful: {path}"),
    }
}

/// The pipelines of a manifest that are built by programs of another one.
pub(in crate::commands) fn with_build_root(manifest: &Value) -> Vec<String> {
    let pipelines = manifest["pipelines"].as_array().into_iter().flatten();
    let built = pipelines.filter(|pipeline| pipeline["build"].is_string());
    built
        .filter_map(|pipeline| pipeline["name"].as_str())
        .map(str::to_owned)
        .collect()
}

/// The store: the directory that is named, that of the system for root, one of the user's cache for others.
pub(super) fn store(named: Option<&Path>) -> Result<PathBuf> {
    let own = || match rustix::process::geteuid().is_root() {
        true => Some(PathBuf::from("/var/cache/image-builder/store")),
        false => Some(own_directory("XDG_CACHE_HOME", ".cache")?.join("image-builder/store")),
    };
    named.map(Path::to_owned).or_else(own).ok_or_else(|| {
        CommandError::invalid(Diagnostic::new(
            "there is no home directory for the cache: name one with --cache",
        ))
    })
}
