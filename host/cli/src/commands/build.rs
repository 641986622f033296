//! `osbuild-wasm build`.
use super::run::{DevicesOption, OutputDialect, RunCommand, Statements};
use crate::build_args::BuildArgs;
use crate::command_error::{CommandError, Exit, Result};
use crate::commands::Command;
use crate::image::{ImageArguments, ImageRequest, OriginArguments, ResolveArguments};
use crate::monitor::Monitor;
use crate::output_file;
use clap::Args;
use osbuild_wasm_files::resolve::make_directory;
use osbuild_wasm_files::{NewFile, move_file};
use osbuild_wasm_report::Diagnostic;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  # An image in this directory
  osbuild-wasm build qcow2 --distro fedora-43 --blueprint web.toml

  # With all that tells what it is made of, under a policy
  osbuild-wasm build qcow2 --blueprint web.toml --with-manifest --with-sbom --with-buildlog --record r.json --policy ci.toml \\
      --output-dir out";

/// Build an image from a distribution, an image type and a blueprint
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct BuildImageArguments {
    /// Image type: a name or an alias that `osbuild-wasm list` shows
    #[arg(value_name = "TYPE")]
    image_type: String,
    #[command(flatten)]
    origin: OriginArguments,
    #[command(flatten)]
    image: ImageArguments,
    #[command(flatten)]
    resolve: ResolveArguments,
    /// Directory for the image; a directory with the name of the image when it is not given
    #[arg(long, value_name = "DIR")]
    output_dir: Option<PathBuf>,
    /// Name of the files, without their extensions; DISTRO-TYPE-ARCH when it is not given
    #[arg(long, value_name = "NAME")]
    output_name: Option<String>,
    /// Directory for objects, sources and work in progress; made when missing
    #[arg(
        long,
        visible_alias = "cache",
        value_name = "DIR",
        default_value = ".osbuild"
    )]
    store: PathBuf,
    /// Keep the manifest beside the image (NAME.osbuild-manifest.json)
    #[arg(long)]
    with_manifest: bool,
    /// Write what is in the image and in the build root beside it (SPDX)
    #[arg(long)]
    with_sbom: bool,
    /// Write the log of the build beside the image (NAME.buildlog)
    #[arg(long)]
    with_buildlog: bool,
    /// Write what the build did (JSON)
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// What stages may do; nothing runs that it does not allow
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Pipelines built at the same time
    #[arg(short, long, value_name = "N")]
    jobs: Option<usize>,
    /// Pipeline to build in a virtual machine; may be given several times
    #[arg(long, value_name = "NAME")]
    in_vm: Vec<String>,
    /// How disks come to be
    #[arg(long, value_enum, default_value_t = DevicesOption::Auto)]
    devices: DevicesOption,
    /// How to show what happens
    #[arg(long, value_enum)]
    monitor: Option<Monitor>,
    /// Show errors only
    #[arg(short, long)]
    quiet: bool,
}

impl Command for BuildImageArguments {
    fn run(self) -> Result {
        let request = self.image.request(&self.image_type, &self.origin)?;
        let files = Files::new(
            &request,
            self.output_dir.as_deref(),
            self.output_name.as_deref(),
        )?;
        let manifest = self.resolve.manifest(&request)?.to_string();
        let work = files.work_directory()?;
        let path = match self.with_manifest {
            true => files.beside("osbuild-manifest.json"),
            false => work.path().join("manifest.json"),
        };
        output_file::write(&path, manifest.as_bytes())?;
        let log = self
            .with_buildlog
            .then(|| files.create("buildlog"))
            .transpose()?;
        let writer = log.as_ref().map(NewFile::writer).transpose();
        let writer =
            writer.map_err(|error| files.cannot("write", &files.beside("buildlog"), &error))?;
        let exit = self
            .run_command(&request, &files, path, work.path(), writer)
            .run();
        // The log of a build that failed is the one that somebody wants to read.
        log.map(NewFile::finish)
            .transpose()
            .map_err(|error| files.cannot("write", &files.beside("buildlog"), &error))?;
        let exit = exit?;
        if exit != Exit::Done {
            return Ok(exit);
        }
        let image = files.move_image(work.path(), &request)?;
        if !self.quiet {
            outln!("{}", image.display());
        }
        Ok(Exit::Done)
    }
}

impl BuildImageArguments {
    /// The run that builds the manifest.
    fn run_command(
        &self,
        request: &ImageRequest,
        files: &Files,
        manifest: PathBuf,
        output: &Path,
        log: Option<std::fs::File>,
    ) -> RunCommand {
        let sbom = self.with_sbom.then(|| files.beside("spdx.json"));
        RunCommand {
            dialect: OutputDialect::Own,
            args: BuildArgs {
                manifest,
                store: self.store.clone(),
                cache_max_size: None,
                export: request.image_type.exports.clone(),
                output_directory: Some(output.to_owned()),
                checkpoint: vec!["build".into()],
                json: false,
                inspect: false,
                monitor: self.monitor,
                monitor_fd: None,
                stage_timeout: None,
                break_at: None,
                libdir: None,
                quiet: self.quiet,
            },
            jobs: self.jobs,
            output: None,
            build_env: None,
            in_vm: self.in_vm.clone(),
            rundir: None,
            record: self.record.clone(),
            learn: None,
            policy: self.policy.clone(),
            locked: None,
            devices: self.devices,
            log,
            statements: sbom.map_or_else(Statements::default, Statements::of_packages),
        }
    }
}

/// Where everything about an image goes.
struct Files {
    directory: PathBuf,
    /// Name of all files, without extension.
    base: String,
    /// Extension of the image: everything after the first dot of the type's file.
    extension: String,
}

impl Files {
    fn new(request: &ImageRequest, directory: Option<&Path>, name: Option<&str>) -> Result<Self> {
        let image_type = &request.image_type;
        if image_type.exports.len() != 1 {
            let message = format!(
                "image type {:?} has several results, of which none is the image",
                image_type.name
            );
            return Err(CommandError::invalid(Diagnostic::new(message).hint(
                "make its manifest and build it: osbuild-wasm manifest, osbuild-wasm run",
            )));
        }
        let extension = image_type
            .filename
            .split_once('.')
            .map_or("", |(_, extension)| extension);
        let own = format!(
            "{}-{}-{}",
            request.distro.name, image_type.name, request.arch
        );
        let base = name.map_or(own, |name| {
            name.strip_suffix(&format!(".{extension}"))
                .unwrap_or(name)
                .to_owned()
        });
        if base.contains('/') || base.is_empty() {
            let diagnostic =
                Diagnostic::new(format!("--output-name {base:?} is no name of a file"));
            return Err(CommandError::invalid(
                diagnostic.hint("name the directory by --output-dir"),
            ));
        }
        let files = Self {
            directory: directory.unwrap_or(Path::new(".")).to_owned(),
            base,
            extension: extension.to_owned(),
        };
        make_directory(&files.directory)
            .map_err(|error| files.cannot("make", &files.directory, &error))?;
        Ok(files)
    }

    fn cannot(&self, verb: &str, path: &Path, error: &std::io::Error) -> CommandError {
        CommandError::failed(
            Diagnostic::new(format!("cannot {verb} {}", path.display())).cause(error.to_string()),
        )
    }

    /// The file with this extension.
    fn beside(&self, extension: &str) -> PathBuf {
        let dot = if extension.is_empty() { "" } else { "." };
        self.directory
            .join(format!("{}{dot}{extension}", self.base))
    }

    fn create(&self, extension: &str) -> Result<NewFile> {
        let path = self.beside(extension);
        NewFile::create(&path).map_err(|error| self.cannot("make", &path, &error))
    }

    /// A directory on the file system of the image, for what is not done yet.
    fn work_directory(&self) -> Result<tempfile::TempDir> {
        tempfile::Builder::new()
            .prefix(&format!(".{}.", self.base))
            .tempdir_in(&self.directory)
            .map_err(|error| self.cannot("make a directory in", &self.directory, &error))
    }

    /// Gives the image its name.
    fn move_image(&self, work: &Path, request: &ImageRequest) -> Result<PathBuf> {
        let built = work
            .join(&request.image_type.exports[0])
            .join(&request.image_type.filename);
        let image = self.beside(&self.extension);
        move_file(&built, &image).map_err(|error| self.cannot("make", &image, &error))?;
        Ok(image)
    }
}
